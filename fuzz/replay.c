/*
 * A target without its fuzzer: runs the inputs of the corpus once, as an
 * ordinary test, with whatever sanitizer and compiler the build has.
 *
 *   replay FOLDER|FILE...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz_input.h"

static unsigned long ran;

static void fail(const char *path)
{
    perror(path);
    exit(1);
}

/* From a buffer of exactly its size, so that reading past its end is seen. */
static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    size_t len;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail(path);
    len = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(len + (len == 0));
    if (bytes == NULL || fread(bytes, 1, len, file) != len)
        fail(path);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
    ran++;
}

static void replay(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (folder == NULL) {
        replay_file(path);
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        /* Said before it runs, so that a crash has a name. */
        fprintf(stderr, "%s\n", entry->d_name);
        replay_file(name);
    }
    closedir(folder);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%lu inputs\n", ran);
    return ran == 0;
}
