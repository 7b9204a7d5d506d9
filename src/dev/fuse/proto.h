/*
 * FUSE's numbers, as far as this server speaks it: protocol 7.31, little
 * endian, as include/uapi/linux/fuse.h of Linux defines it. Structures are
 * read and written field by field at the offsets given where that happens.
 */
#ifndef LULL_DEV_FUSE_PROTO_H
#define LULL_DEV_FUSE_PROTO_H

enum {
    FUSE_MAJOR = 7,
    FUSE_MINOR = 31,
    FUSE_ROOT_ID = 1,

    /* Bytes of each structure. */
    FUSE_IN_HEADER = 40,
    FUSE_OUT_HEADER = 16,
    FUSE_ATTR = 88,
    FUSE_ATTR_OUT = 16 + FUSE_ATTR,
    FUSE_ENTRY_OUT = 40 + FUSE_ATTR,
    FUSE_DIRENT = 24, /* and the name, padded to 8 */
    FUSE_OPEN_OUT = 16,
    FUSE_STATFS_OUT = 80,
    FUSE_INIT_IN = 16, /* of the oldest minors; what follows is not read */
    FUSE_INIT_OUT = 64,

    FUSE_LOOKUP = 1,
    FUSE_FORGET = 2,
    FUSE_GETATTR = 3,
    FUSE_SETATTR = 4,
    FUSE_READLINK = 5,
    FUSE_SYMLINK = 6,
    FUSE_MKNOD = 8,
    FUSE_MKDIR = 9,
    FUSE_UNLINK = 10,
    FUSE_RMDIR = 11,
    FUSE_RENAME = 12,
    FUSE_LINK = 13,
    FUSE_OPEN = 14,
    FUSE_READ = 15,
    FUSE_WRITE = 16,
    FUSE_STATFS = 17,
    FUSE_RELEASE = 18,
    FUSE_FSYNC = 20,
    FUSE_INIT = 26,
    FUSE_OPENDIR = 27,
    FUSE_READDIR = 28,
    FUSE_RELEASEDIR = 29,
    FUSE_FSYNCDIR = 30,
    FUSE_CREATE = 35,
    FUSE_DESTROY = 38,
    FUSE_BATCH_FORGET = 42,
    FUSE_READDIRPLUS = 44,
    FUSE_RENAME2 = 45,
    FUSE_LSEEK = 46,
    FUSE_SYNCFS = 50,
    FUSE_OPCODES = 51,

    /* What is offered in INIT. */
    FUSE_ASYNC_READ = 1 << 0,
    FUSE_BIG_WRITES = 1 << 5,
    FUSE_AUTO_INVAL_DATA = 1 << 12,
    FUSE_DO_READDIRPLUS = 1 << 13,
    FUSE_READDIRPLUS_AUTO = 1 << 14,
    FUSE_PARALLEL_DIROPS = 1 << 18,
    FUSE_MAX_PAGES = 1 << 22,

    FATTR_MODE = 1 << 0,
    FATTR_UID = 1 << 1,
    FATTR_GID = 1 << 2,
    FATTR_SIZE = 1 << 3,
    FATTR_ATIME = 1 << 4,
    FATTR_MTIME = 1 << 5,
    FATTR_FH = 1 << 6,
    FATTR_ATIME_NOW = 1 << 7,
    FATTR_MTIME_NOW = 1 << 8,

    FUSE_GETATTR_FH = 1 << 0,
    FUSE_WRITE_CACHE = 1 << 0, /* from the page cache: any handle will do */
    FUSE_FSYNC_DATA = 1 << 0,
    FUSE_RENAME_NOREPLACE = 1 << 0,
    FUSE_RENAME_EXCHANGE = 1 << 1,

    /* Linux's flags of open, as arm64 has them in the low bits. */
    FUSE_O_ACCMODE = 3,
    FUSE_O_WRONLY = 1,
    FUSE_O_RDWR = 2,
    FUSE_O_EXCL = 0200,
    FUSE_O_TRUNC = 01000,
    FUSE_O_APPEND = 02000,
    FUSE_O_DSYNC = 010000,
    FUSE_O_SYNC = 04010000,
};

#endif
