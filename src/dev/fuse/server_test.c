/*
 * The server on a real folder: what it says to a guest's kernel, that nothing
 * leads out of the folder, and what badly made requests get. A folder beside
 * the shared one has what nobody may reach.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_client.h"

enum { FEW = 32, SECRET_MODE = 0640 }; /* descriptors */

static char top[64], dir[80], secret[96], error[512];

static char *in_dir(const char *name)
{
    static char path[4][512];
    static unsigned next;

    next = (next + 1) % 4;
    snprintf(path[next], sizeof(path[0]), "%s/%s", dir, name);
    return path[next];
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static const char *contents(const char *path)
{
    static char text[4096];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    ck_assert_int_ge(n, 0);
    close(fd);
    text[n] = '\0';
    return text;
}

static void start_with(const char *options)
{
    char spec[256];

    snprintf(spec, sizeof(spec), "%s:tag%s", dir, options);
    client.share = lull_share_new(spec, FEW, error, sizeof(error));
    ck_assert_msg(client.share != NULL, "%s", error);
    ck_assert_int_eq(init(FUSE_MAJOR, FUSE_MINOR + 7), 0);
}

static void start(void)
{
    start_with("");
}

static void setup(void)
{
    umask(022);
    snprintf(top, sizeof(top), "/tmp/fuse_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(dir, sizeof(dir), "%s/shared", top);
    snprintf(secret, sizeof(secret), "%s/secret", top);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    write_file(secret, "secret");
    chmod(secret, SECRET_MODE);
    client.share = NULL;
}

static void teardown(void)
{
    char command[128];

    lull_share_free(client.share);
    snprintf(command, sizeof(command), "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
}

static void secret_is_safe(void)
{
    struct stat status;

    ck_assert_str_eq(contents(secret), "secret");
    ck_assert_int_eq(stat(secret, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, SECRET_MODE);
    ck_assert_uint_eq(status.st_nlink, 1);
}

/* ---- the session ---------------------------------------------------------
 */

START_TEST(versions)
{
    start();
    ck_assert_uint_eq(client.written, FUSE_OUT_HEADER + FUSE_INIT_OUT);
    ck_assert_uint_eq(get_le32(client.body), 7);
    ck_assert_uint_eq(get_le32(client.body + 4), 31);
    ck_assert_uint_eq(get_le32(client.body + 20), 1 << 20);
    ck_assert_int_eq(init(6, 40), EPROTO);
    ck_assert_int_eq(init(7, 30), EPROTO);
    ck_assert_int_eq(init(8, 0), 0); /* it may ask again */
    ck_assert_int_eq(named(FUSE_LOOKUP, 1, "x"), EIO);
}
END_TEST

START_TEST(a_session_ends)
{
    uint64_t node, fh;

    start();
    write_file(in_dir("a"), "a");
    node = look_up(1, "a");
    ck_assert_int_eq(open_node(FUSE_OPEN, node, 0, &fh), 0);
    ck_assert_uint_eq(lull_share_stats(client.share).open, 1);
    begin_request(FUSE_DESTROY, 0);
    ck_assert_int_eq(send_request(), 0);
    ck_assert_uint_eq(lull_share_stats(client.share).open, 0);
    ck_assert_uint_eq(lull_share_stats(client.share).nodes, 0);
    ck_assert_int_eq(named(FUSE_LOOKUP, 1, "a"), EIO);
    ck_assert_int_eq(init(7, 31), 0);
    ck_assert_int_eq(get_attr(node), ESTALE);
    ck_assert_uint_ne(look_up(1, "a"), node);
}
END_TEST

/* ---- badly made requests -------------------------------------------------
 */

START_TEST(every_length_of_every_request)
{
    start();
    write_file(in_dir("a"), "a");
    look_up(1, "a");
    for (uint32_t op = 0; op < FUSE_OPCODES + 3; op++)
        for (size_t len = 0; len <= FUSE_IN_HEADER + 120; len++) {
            begin_request(op, op % 2 ? 1 : 2);
            /* Bytes that are no name, never end, and make no sense. */
            memset(client.bytes + FUSE_IN_HEADER, (int)(len % 3 ? '/' : 0x81),
                   120);
            client.len = len;
            put_le32(client.bytes, (uint32_t)len);
            if (len < 4)
                client.len = len;
            send_raw(ROOM, 7);
            if (len < FUSE_IN_HEADER)
                ck_assert_int_eq(client.result, LULL_SHARE_BROKEN);
        }
    ck_assert_int_eq(init(7, 31), 0);
    look_up(1, "a");
}
END_TEST

START_TEST(lengths_that_lie)
{
    static const uint32_t lengths[] = {0, 1, 39, 44, 1 << 20, ~0U};

    start();
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        begin_request(FUSE_LOOKUP, 1);
        add_bytes("abc", 3); /* and no end */
        put_le32(client.bytes, lengths[i]);
        send_raw(ROOM, 4096);
        ck_assert_int_eq(client.result, LULL_SHARE_BROKEN);
    }
    begin_request(FUSE_LOOKUP, 1);
    add_bytes("abc", 3);
    ck_assert_int_eq(send_request(), EINVAL);
    begin_request(FUSE_LOOKUP, 1);
    add_name("abc");
    add_name("def");
    ck_assert_int_eq(send_request(), EINVAL);
}
END_TEST

START_TEST(a_write_longer_or_shorter_than_it_says)
{
    uint64_t node, fh;

    start();
    ck_assert_int_eq(create(1, "a", FUSE_O_RDWR, 0644), 0);
    node = entry_node();
    fh = created_handle();
    for (uint32_t says = 0; says < 9; says++) {
        write_at(node, fh, 0, "12345", 0, 0);
        put_le32(client.bytes + FUSE_IN_HEADER + 16, says);
        ck_assert_int_eq(send_request(), says == 5 ? 0 : EINVAL);
    }
    ck_assert_int_eq(write_at(node, fh, 1ULL << 63, "x", 0, 0), EFBIG);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, ~0ULL, 5), EINVAL);
    ck_assert_str_eq(contents(in_dir("a")), "12345");
}
END_TEST

START_TEST(little_room_for_the_answer)
{
    uint64_t node, fh;

    start();
    write_file(in_dir("a"), "0123456789");
    node = look_up(1, "a");
    ck_assert_int_eq(open_node(FUSE_OPEN, node, 0, &fh), 0);
    for (uint32_t room = 0; room < 40; room++) {
        read_at(FUSE_READ, node, fh, 0, 10);
        memset(client.answer, 0xee, sizeof(client.answer));
        send_raw(room, 3);
        ck_assert_uint_eq(client.answer[room], 0xee);
        if (room < FUSE_OUT_HEADER) {
            ck_assert_int_eq(client.result, LULL_SHARE_BROKEN);
            continue;
        }
        ck_assert_uint_eq(client.written, room < 26 ? room : 26);
        ck_assert_mem_eq(client.body, "0123456789", client.written - 16);
    }
    begin_request(FUSE_LOOKUP, 1);
    add_name("a");
    put_le32(client.bytes, (uint32_t)client.len);
    ck_assert_int_eq(send_raw(FUSE_OUT_HEADER + FUSE_ENTRY_OUT - 1, 4096),
                     EMSGSIZE);
}
END_TEST

/* ---- staying inside ------------------------------------------------------
 */

static void refuses_name(const char *name, int expected)
{
    static const uint32_t ops[] = {FUSE_LOOKUP, FUSE_UNLINK, FUSE_RMDIR};

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        ck_assert_int_eq(named(ops[i], 1, name), expected);
    ck_assert_int_eq(create(1, name, FUSE_O_RDWR, 0644), expected);
    begin_request(FUSE_MKDIR, 1);
    add64(0755);
    add_name(name);
    ck_assert_int_eq(send_request(), expected);
    begin_request(FUSE_MKNOD, 1);
    add64(S_IFREG | 0644);
    add64(0);
    add_name(name);
    ck_assert_int_eq(send_request(), expected);
    begin_request(FUSE_SYMLINK, 1);
    add_name(name);
    add_name("target");
    ck_assert_int_eq(send_request(), expected);
    begin_request(FUSE_LINK, 1);
    add64(look_up(1, "file"));
    begin_request(FUSE_LINK, 1);
    add64(2);
    add_name(name);
    ck_assert_int_eq(send_request(), expected);
    ck_assert_int_eq(rename2(1, "file", 1, name, 0), expected);
    ck_assert_int_eq(rename2(1, name, 1, "other", 0), expected);
}

START_TEST(names_that_lead_elsewhere)
{
    char longest[258];

    start();
    write_file(in_dir("file"), "");
    refuses_name("", EINVAL);
    refuses_name(".", EINVAL);
    refuses_name("..", EINVAL);
    refuses_name("../secret", EINVAL);
    refuses_name("a/b", EINVAL);
    refuses_name(secret, EINVAL);
    memset(longest, 'a', 256);
    longest[256] = '\0';
    refuses_name(longest, ENAMETOOLONG);
    longest[255] = '\0';
    ck_assert_int_eq(create(1, longest, FUSE_O_RDWR, 0644), 0);
    secret_is_safe();
}
END_TEST

START_TEST(links_are_the_guests_to_follow)
{
    uint64_t node, fh, up;

    start();
    ck_assert_int_eq(symlink("../secret", in_dir("link")), 0);
    ck_assert_int_eq(symlink("..", in_dir("up")), 0);
    ck_assert_int_eq(symlink("../new", in_dir("dangling")), 0);
    node = look_up(1, "link");
    ck_assert(S_ISLNK(entry_mode()));
    begin_request(FUSE_READLINK, node);
    ck_assert_int_eq(send_request(), 0);
    ck_assert_mem_eq(client.body, "../secret", client.written - 16);
    ck_assert_int_ne(open_node(FUSE_OPEN, node, 0, &fh), 0);
    ck_assert_int_ne(set_attr(node, FATTR_SIZE, 0, 0, 0), 0);
    ck_assert_int_ne(set_attr(node, FATTR_MODE, 0, 0, 0777), 0);
    ck_assert_int_ne(create(1, "link", FUSE_O_RDWR | FUSE_O_TRUNC, 0644), 0);
    ck_assert_int_ne(create(1, "dangling", FUSE_O_RDWR, 0644), 0);
    up = look_up(1, "up");
    ck_assert_int_eq(named(FUSE_LOOKUP, up, "secret"), ENOTDIR);
    ck_assert_int_eq(open_node(FUSE_OPENDIR, up, 0, &fh), ENOTDIR);
    ck_assert_int_eq(rename2(1, "link", up, "moved", 0), ENOTDIR);
    secret_is_safe();
}
END_TEST

/* The guest knows a file; the host puts a link in its place. */
START_TEST(a_file_becomes_a_link)
{
    struct stat before = {0}, after = {0};
    uint64_t node, fh;

    start();
    write_file(in_dir("a"), "a");
    node = look_up(1, "a");
    ck_assert_int_eq(unlink(in_dir("a")), 0);
    ck_assert_int_eq(symlink("../secret", in_dir("a")), 0);
    stat(secret, &before);
    ck_assert_int_ne(open_node(FUSE_OPEN, node, FUSE_O_RDWR, &fh), 0);
    ck_assert_int_ne(set_attr(node, FATTR_MODE, 0, 0, 0777), 0);
    ck_assert_int_ne(set_attr(node, FATTR_SIZE, 0, 0, 0), 0);
    set_attr(node, FATTR_MTIME, 0, 0, 0);
    stat(secret, &after);
    ck_assert_int_eq(before.st_mtime, after.st_mtime);
    secret_is_safe();
}
END_TEST

/* The same for a folder, whose descriptor the server may have closed. */
START_TEST(a_folder_becomes_a_link)
{
    uint64_t sub;

    start();
    ck_assert_int_eq(mkdir(in_dir("sub"), 0755), 0);
    sub = look_up(1, "sub");
    ck_assert_int_eq(rename(in_dir("sub"), in_dir("gone")), 0);
    ck_assert_int_eq(symlink("..", in_dir("sub")), 0);
    ck_assert_int_eq(named(FUSE_LOOKUP, sub, "secret"), ESTALE);
    ck_assert_int_eq(create(sub, "made", FUSE_O_RDWR, 0644), ESTALE);
    ck_assert_int_eq(rename2(1, "gone", sub, "x", 0), ESTALE);
    ck_assert_int_eq(named(FUSE_UNLINK, sub, "secret"), ESTALE);
    secret_is_safe();
}
END_TEST

struct swapper {
    _Atomic bool stop;
    _Atomic unsigned rounds;
    char file[128], place[128];
};

static void *swap(void *opaque)
{
    struct swapper *s = opaque;

    while (!atomic_load(&s->stop)) {
        if (link(s->file, s->place) == 0)
            unlink(s->place);
        if (symlink("../secret", s->place) == 0)
            unlink(s->place);
        if (symlink("..", s->place) == 0)
            unlink(s->place);
        if (mkdir(s->place, 0755) == 0)
            rmdir(s->place);
        atomic_fetch_add(&s->rounds, 1);
    }
    return NULL;
}

/* What the guest gets at a place that is now a file, now a link out, now a
 * folder. */
static void try_place(void)
{
    uint64_t node, fh;

    if (named(FUSE_LOOKUP, 1, "place") != 0)
        return;
    node = entry_node();
    if (open_node(FUSE_OPEN, node, FUSE_O_RDWR, &fh) == 0) {
        ck_assert_int_eq(read_at(FUSE_READ, node, fh, 0, 64), 0);
        ck_assert_mem_eq(client.body, "public", 6);
        release(node, fh);
    }
    set_attr(node, FATTR_MODE, 0, 0, 0777);
    ck_assert_int_ne(named(FUSE_LOOKUP, node, "secret"), 0);
    ck_assert_int_ne(named(FUSE_UNLINK, node, "secret"), 0);
    forget(node, 1);
}

START_TEST(races_are_lost_by_the_guest)
{
    struct swapper s = {.stop = false};
    pthread_t thread;

    start();
    snprintf(s.file, sizeof(s.file), "%s", in_dir("file"));
    snprintf(s.place, sizeof(s.place), "%s", in_dir("place"));
    write_file(s.file, "public");
    ck_assert_int_eq(pthread_create(&thread, NULL, swap, &s), 0);
    /* Both get somewhere, however few CPUs there are. */
    for (unsigned i = 0; i < 1500 || atomic_load(&s.rounds) < 1500; i++)
        try_place();
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    secret_is_safe();
}
END_TEST

/* ---- what it may not do --------------------------------------------------
 */

START_TEST(read_only_is)
{
    uint64_t node, fh;

    write_file(in_dir("a"), "a");
    start_with(",ro");
    ck_assert(lull_share_read_only(client.share));
    node = look_up(1, "a");
    ck_assert_int_eq(open_node(FUSE_OPEN, node, FUSE_O_WRONLY, &fh), EROFS);
    ck_assert_int_eq(open_node(FUSE_OPEN, node, FUSE_O_TRUNC, &fh), EROFS);
    ck_assert_int_eq(open_node(FUSE_OPEN, node, 0, &fh), 0);
    ck_assert_int_eq(write_at(node, fh, 0, "b", 0, 0), EROFS);
    ck_assert_int_eq(create(1, "b", FUSE_O_RDWR, 0644), EROFS);
    ck_assert_int_eq(set_attr(node, FATTR_MODE, 0, 0, 0), EROFS);
    ck_assert_int_eq(named(FUSE_UNLINK, 1, "a"), EROFS);
    ck_assert_int_eq(named(FUSE_RMDIR, 1, "a"), EROFS);
    ck_assert_int_eq(rename2(1, "a", 1, "b", 0), EROFS);
    for (uint32_t op = FUSE_SYMLINK; op <= FUSE_LINK; op++)
        if (op != 7)
            ck_assert_int_eq(named(op, 1, "c"), EROFS);
    ck_assert_str_eq(contents(in_dir("a")), "a");
}
END_TEST

static int make_node(const char *name, uint32_t mode)
{
    begin_request(FUSE_MKNOD, 1);
    add32(mode);
    add32(0x103); /* /dev/null */
    add64(0);
    add_name(name);
    return send_request();
}

START_TEST(no_devices_and_no_rights_for_others)
{
    struct stat status;
    uint64_t node, fh;

    start();
    ck_assert_int_eq(make_node("null", S_IFCHR | 0666), EPERM);
    ck_assert_int_eq(make_node("disk", S_IFBLK | 0666), EPERM);
    ck_assert_int_eq(make_node("pipe", S_IFIFO | 0666), 0);
    ck_assert_int_ne(open_node(FUSE_OPEN, entry_node(), 0, &fh), 0);
    ck_assert_int_eq(make_node("file", S_IFREG | 04766), 0);
    ck_assert_uint_eq(entry_mode(), S_IFREG | 0766);
    ck_assert_int_eq(create(1, "a", FUSE_O_RDWR, 06777), 0);
    node = entry_node();
    ck_assert_uint_eq(entry_mode(), S_IFREG | 0777); /* umask is the guest's */
    ck_assert_int_eq(set_attr(node, FATTR_MODE, 0, 0, 06755), 0);
    ck_assert_uint_eq(attr_mode(), S_IFREG | 0755);
    ck_assert_int_eq(set_attr(node, FATTR_UID | FATTR_GID, 0, 0, 0), 0);
    ck_assert_int_eq(stat(in_dir("a"), &status), 0);
    ck_assert_uint_eq(status.st_uid, geteuid());
    begin_request(FUSE_MKDIR, 1);
    add64(0777);
    add_name("dir");
    ck_assert_int_eq(send_request(), 0);
    ck_assert_uint_eq(entry_mode(), S_IFDIR | 0777);
}
END_TEST

/* ---- files ---------------------------------------------------------------
 */

START_TEST(unlinked_while_open)
{
    uint64_t node, fh;

    start();
    ck_assert_int_eq(create(1, "a", FUSE_O_RDWR, 0600), 0);
    node = entry_node();
    fh = created_handle();
    ck_assert_int_eq(named(FUSE_UNLINK, 1, "a"), 0);
    ck_assert_int_eq(write_at(node, fh, 3, "text", 0, 0), 0);
    ck_assert_int_eq(get_attr(node), 0);
    ck_assert_uint_eq(attr_size(), 7);
    ck_assert_int_eq(set_attr(node, FATTR_SIZE, 0, 5, 0), 0);
    ck_assert_uint_eq(attr_size(), 5);
    ck_assert_int_eq(set_attr(node, FATTR_MODE | FATTR_MTIME, 0, 0, 0400), 0);
    ck_assert_int_eq(read_at(FUSE_READ, node, fh, 3, 100), 0);
    ck_assert_uint_eq(client.written, 16 + 2);
    ck_assert_mem_eq(client.body, "te", 2);
    ck_assert_int_eq(release(node, fh), 0);
    ck_assert_int_eq(release(node, fh), EBADF);
    forget(node, 1);
    ck_assert_uint_eq(lull_share_stats(client.share).nodes, 0);
}
END_TEST

START_TEST(what_appends_and_what_is_written_back)
{
    uint64_t node, fh;

    start();
    write_file(in_dir("a"), "0123");
    node = look_up(1, "a");
    ck_assert_int_eq(
        open_node(FUSE_OPEN, node, FUSE_O_WRONLY | FUSE_O_APPEND, &fh), 0);
    ck_assert_int_eq(write_at(node, fh, 0, "45", 0, FUSE_O_APPEND), 0);
    ck_assert_str_eq(contents(in_dir("a")), "012345");
    ck_assert_int_eq(
        write_at(node, fh, 1, "xy", FUSE_WRITE_CACHE, FUSE_O_APPEND), 0);
    ck_assert_str_eq(contents(in_dir("a")), "0xy345");
    ck_assert_int_eq(read_at(FUSE_READ, node, 99, 0, 1), EBADF);
    ck_assert_int_eq(read_at(FUSE_READ, 1, fh, 0, 1), EBADF);
}
END_TEST

START_TEST(names_move)
{
    uint64_t one, two, a, b, fh;

    start();
    mkdir(in_dir("one"), 0755);
    mkdir(in_dir("two"), 0755);
    write_file(in_dir("one/a"), "a");
    write_file(in_dir("b"), "b");
    one = look_up(1, "one");
    two = look_up(1, "two");
    a = look_up(one, "a");
    b = look_up(1, "b");
    ck_assert_int_eq(rename2(1, "one", two, "uno", 0), 0);
    ck_assert_int_eq(open_node(FUSE_OPEN, a, 0, &fh), 0);
    ck_assert_int_eq(rename2(one, "a", 1, "b", FUSE_RENAME_NOREPLACE), EEXIST);
    ck_assert_int_eq(rename2(one, "a", 1, "b", FUSE_RENAME_EXCHANGE), 0);
    ck_assert_uint_eq(look_up(1, "b"), a);
    ck_assert_uint_eq(look_up(one, "a"), b);
    ck_assert_int_eq(rename2(one, "a", 1, "b", 0), 0); /* over a */
    ck_assert_int_eq(get_attr(a), 0);                  /* which lives on */
    ck_assert_int_eq(open_node(FUSE_OPEN, b, 0, &fh), 0);
    ck_assert_int_eq(rename2(one, "a", 1, "b", 4), EINVAL);
    ck_assert_int_eq(named(FUSE_UNLINK, 1, "two"), EISDIR);
    ck_assert_int_eq(named(FUSE_RMDIR, 1, "two"), ENOTEMPTY);
    ck_assert_str_eq(contents(in_dir("b")), "b");
}
END_TEST

START_TEST(links_are_one_file)
{
    uint64_t a;

    start();
    write_file(in_dir("a"), "a");
    a = look_up(1, "a");
    begin_request(FUSE_LINK, 1);
    add64(a);
    add_name("b");
    ck_assert_int_eq(send_request(), 0);
    ck_assert_uint_eq(entry_node(), a);
    ck_assert_int_eq(rename2(1, "a", 1, "b", 0), 0); /* nothing happens */
    ck_assert_int_eq(named(FUSE_UNLINK, 1, "b"), 0);
    ck_assert_int_eq(get_attr(a), 0);
    ck_assert_uint_eq(look_up(1, "a"), a);
    forget(a, 2);
    ck_assert_uint_eq(lull_share_stats(client.share).nodes, 1);
    forget(a, 1);
    ck_assert_uint_eq(lull_share_stats(client.share).nodes, 0);
}
END_TEST

/* ---- more than there are descriptors -------------------------------------
 */

static unsigned descriptors(void)
{
    DIR *fds = opendir("/proc/self/fd");
    unsigned count = 0;

    if (fds == NULL)
        return 0;
    while (readdir(fds) != NULL)
        count++;
    closedir(fds);
    return count;
}

START_TEST(many_folders_with_few_descriptors)
{
    uint64_t node[200], fh;
    unsigned before;
    char name[32];

    start();
    before = descriptors();
    for (unsigned i = 0; i < 200; i++) { /* half of them in each other */
        snprintf(name, sizeof(name), "d%u", i);
        begin_request(FUSE_MKDIR, i < 100 || i == 100 ? 1 : node[i - 1]);
        add64(0755);
        add_name(name);
        ck_assert_int_eq(send_request(), 0);
        node[i] = entry_node();
    }
    for (unsigned i = 0; i < 200; i++) {
        ck_assert_int_eq(create(node[199 - i], "f", FUSE_O_RDWR, 0600), 0);
        ck_assert_int_eq(release(entry_node(), created_handle()), 0);
    }
    ck_assert_uint_le(descriptors(), before + FEW / 2);
    /* A file that has no name any more keeps its descriptor. */
    ck_assert_int_eq(create(node[199], "g", FUSE_O_RDWR, 0600), 0);
    ck_assert_int_eq(named(FUSE_UNLINK, node[199], "g"), 0);
    for (unsigned i = 0; i < 200; i++)
        look_up(node[i], "f");
    ck_assert_int_eq(open_node(FUSE_OPENDIR, node[3], 0, &fh), 0);
    lull_share_reset(client.share);
    ck_assert_uint_eq(descriptors(), before);
}
END_TEST

START_TEST(handles_have_an_end)
{
    uint64_t node, fh = 0, first = 0;
    unsigned count = 0;

    start();
    write_file(in_dir("a"), "a");
    node = look_up(1, "a");
    while (open_node(FUSE_OPEN, node, 0, &fh) == 0) {
        first = count++ == 0 ? fh : first;
        ck_assert_uint_le(count, FEW);
    }
    ck_assert_uint_eq(count, FEW / 2);
    ck_assert_int_eq(open_node(FUSE_OPENDIR, 1, 0, &fh), EMFILE);
    ck_assert_int_eq(release(node, first), 0);
    ck_assert_int_eq(open_node(FUSE_OPENDIR, 1, 0, &fh), 0);
    ck_assert_uint_eq(lull_share_stats(client.share).open, FEW / 2);
}
END_TEST

/* ---- listing -------------------------------------------------------------
 */

enum { MANY = 1000 };

/* Count the entries f0 to f999 in an answer and return the last one's cookie.
 */
static uint64_t count_entries(bool plus, uint8_t seen[MANY], uint64_t offset)
{
    uint32_t head = plus ? FUSE_ENTRY_OUT : 0, at = 0;
    uint32_t len = client.written - FUSE_OUT_HEADER;

    while (at < len) {
        const uint8_t *entry = client.body + at + head;
        uint32_t name_len = get_le32(entry + 16);
        char name[64] = {0};
        unsigned n;

        ck_assert_uint_le(at + head + FUSE_DIRENT + name_len, len);
        memcpy(name, entry + FUSE_DIRENT, name_len);
        offset = get_le64(entry + 8);
        if (sscanf(name, "f%u", &n) == 1) {
            seen[n]++;
            if (plus) {
                ck_assert_uint_eq(get_le32(client.body + at + 100),
                                  S_IFREG | 0644);
                ck_assert_uint_eq(get_le64(client.body + at + 40),
                                  get_le64(entry));
            }
        }
        at += head + ((FUSE_DIRENT + name_len + 7) & ~7U);
    }
    return offset;
}

static void list_all(uint32_t op, uint32_t size)
{
    uint8_t seen[MANY] = {0};
    uint64_t fh, offset = 0;

    ck_assert_int_eq(open_node(FUSE_OPENDIR, 1, 0, &fh), 0);
    do {
        ck_assert_int_eq(read_at(op, 1, fh, offset, size), 0);
        offset = count_entries(op == FUSE_READDIRPLUS, seen, offset);
    } while (client.written != FUSE_OUT_HEADER);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_uint_eq(seen[i], 1);
    /* From the start, what was made since is seen. */
    write_file(in_dir("zzz"), "");
    ck_assert_int_eq(read_at(op, 1, fh, 0, size), 0);
    ck_assert_uint_gt(client.written, FUSE_OUT_HEADER);
    ck_assert_int_eq(read_at(op, 1, fh, 0, 8), EINVAL);
    ck_assert_int_eq(read_at(op, 1, fh, ~0ULL >> 1, size), 0);
    ck_assert_int_eq(release(1, fh), 0);
}

START_TEST(listings)
{
    char name[32];

    start();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        write_file(in_dir(name), "");
    }
    list_all(FUSE_READDIR, 4096);
    list_all(FUSE_READDIR, 200);
    ck_assert_uint_eq(lull_share_stats(client.share).nodes, 0);
    list_all(FUSE_READDIRPLUS, 4096);
    list_all(FUSE_READDIRPLUS, 1 << 20);
    ck_assert_uint_ge(lull_share_stats(client.share).nodes, MANY);
}
END_TEST

/* ---- the option ----------------------------------------------------------
 */

static void refused(const char *spec, const char *because)
{
    error[0] = '\0';
    ck_assert_ptr_null(lull_share_new(spec, FEW, error, sizeof(error)));
    ck_assert_msg(strncmp(error, "--share", 7) == 0, "%s", error);
    ck_assert_msg(strstr(error, because) != NULL, "%s", error);
}

START_TEST(options)
{
    char spec[128];

    refused("", "DIR:TAG");
    refused("/tmp", "DIR:TAG");
    refused(":tag", "DIR:TAG");
    refused("/tmp:", "1 to 36");
    refused("/tmp:a/b", "1 to 36");
    refused("/tmp:tag,rw", "1 to 36");
    refused("/tmp:0123456789012345678901234567890123456", "1 to 36");
    refused("/does/not/exist:tag", "No such file");
    snprintf(spec, sizeof(spec), "%s:tag", secret);
    refused(spec, "only folders");
    snprintf(spec, sizeof(spec), "%s/a:b,c", dir);
    ck_assert_int_eq(mkdir(spec, 0755), 0);
    snprintf(spec, sizeof(spec), "%s/a:b,c:tag,ro", dir);
    client.share = lull_share_new(spec, FEW, error, sizeof(error));
    ck_assert_msg(client.share != NULL, "%s", error);
    ck_assert_str_eq(lull_share_tag(client.share), "tag");
    ck_assert(lull_share_read_only(client.share));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        versions,
        a_session_ends,
        every_length_of_every_request,
        lengths_that_lie,
        a_write_longer_or_shorter_than_it_says,
        little_room_for_the_answer,
        names_that_lead_elsewhere,
        links_are_the_guests_to_follow,
        a_file_becomes_a_link,
        a_folder_becomes_a_link,
        races_are_lost_by_the_guest,
        read_only_is,
        no_devices_and_no_rights_for_others,
        unlinked_while_open,
        what_appends_and_what_is_written_back,
        names_move,
        links_are_one_file,
        many_folders_with_few_descriptors,
        handles_have_an_end,
        listings,
        options,
    };
    Suite *suite = suite_create("fuse");
    TCase *tc = tcase_create("fuse");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
