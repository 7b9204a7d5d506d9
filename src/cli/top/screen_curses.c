/*
 * The terminal, by ncurses: the view's lines, as many as fit, the title and
 * the header always.
 */
#include "top.h"

#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Title, legend, header. */
enum { HEADER_LINES = 3 };

struct screen {
    struct top_vms *vms;
    struct top_view view;
    size_t first; /* line on top, below the header */
    bool vcpus;
};

static const char keys[] = " q quits  sort by: c CPU n name w wake-ups l "
                           "lateness  v vCPUs  arrows scroll";

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void draw_line(int row, const struct top_line *line)
{
    static const attr_t styles[] = {
        [TOP_PLAIN] = A_NORMAL,
        [TOP_TITLE] = A_BOLD,
        [TOP_HEADER] = A_REVERSE,
        [TOP_VM] = A_BOLD,
    };

    attrset(styles[line->style]);
    mvaddnstr(row, 0, line->text, COLS);
    attrset(A_NORMAL);
}

/* Rows between the header and the keys. */
static size_t rows(void)
{
    return LINES > HEADER_LINES + 1 ? (size_t)LINES - HEADER_LINES - 1 : 0;
}

static void draw(struct screen *screen)
{
    const struct top_view *view = &screen->view;
    size_t body;

    top_build(&screen->view, screen->vms, COLS > 0 ? (unsigned)COLS : 0,
              screen->vcpus);
    body = view->count - HEADER_LINES;
    if (screen->first + rows() > body)
        screen->first = body > rows() ? body - rows() : 0;
    erase();
    for (size_t i = 0; i < HEADER_LINES && (int)i < LINES; i++)
        draw_line((int)i, &view->line[i]);
    for (size_t i = 0; i < rows() && screen->first + i < body; i++)
        draw_line((int)i + HEADER_LINES,
                  &view->line[HEADER_LINES + screen->first + i]);
    if (LINES > HEADER_LINES) {
        attrset(A_DIM);
        mvaddnstr(LINES - 1, 0, keys, COLS - 1);
        attrset(A_NORMAL);
    }
    refresh();
}

static void sort_by(struct screen *screen, enum top_sort sort)
{
    screen->vms->sort = sort;
    screen->first = 0;
    top_sort(screen->vms);
}

/* False: quit. */
static bool key(struct screen *screen, int pressed)
{
    switch (pressed) {
    case 'q':
    case 'Q':
        return false;
    case 'c':
        sort_by(screen, TOP_BY_CPU);
        break;
    case 'n':
        sort_by(screen, TOP_BY_NAME);
        break;
    case 'w':
        sort_by(screen, TOP_BY_WAKES);
        break;
    case 'l':
        sort_by(screen, TOP_BY_LATENESS);
        break;
    case 'v':
        screen->vcpus = !screen->vcpus;
        break;
    case KEY_DOWN:
        screen->first++;
        break;
    case KEY_UP:
        screen->first -= screen->first > 0;
        break;
    case KEY_NPAGE:
        screen->first += rows();
        break;
    case KEY_PPAGE:
        screen->first -= screen->first < rows() ? screen->first : rows();
        break;
    default: /* KEY_RESIZE among them: ncurses knows the new size */
        break;
    }
    return true;
}

/* Keys are answered at once; VMs are read when it is time. */
static void run(struct screen *screen, double interval)
{
    double next = 0, now;

    for (;;) {
        int pressed;

        now = now_s();
        if (now >= next) {
            top_refresh(screen->vms);
            next = now_s() + interval;
        }
        draw(screen);
        timeout((int)((next - now_s()) * 1000) + 1);
        pressed = getch();
        /* Nobody is there any more: a terminal that was closed. */
        if (pressed == ERR && (!isatty(0) || getppid() == 1))
            return;
        if (pressed != ERR && !key(screen, pressed))
            return;
    }
}

bool top_screen(struct top_vms *vms, double interval, char *err,
                size_t err_bytes)
{
    struct screen screen = {.vms = vms, .vcpus = true};
    const char *type = getenv("TERM");
    SCREEN *terminal = newterm(NULL, stdout, stdin);

    if (terminal == NULL) {
        snprintf(err, err_bytes,
                 "terminal type %s is not known here; set TERM, or use --once",
                 type == NULL ? "(none)" : type);
        return false;
    }
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    run(&screen, interval);
    endwin();
    delscreen(terminal);
    top_view_free(&screen.view);
    return true;
}
