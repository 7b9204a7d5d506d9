/* What litmus.S and litmus.c share: where x, y and z are in a cell. */
#ifndef GUESTS_LITMUS_H
#define GUESTS_LITMUS_H

#define LITMUS_Y 64
#define LITMUS_Z 128
#define LITMUS_CELL_BYTES 192

#endif
