#include "chart.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- text
 * ----------------------------------------------------------------------- */

/* The bytes of the character at `text`, 0 when it is no UTF-8. */
static size_t utf8_bytes(const unsigned char *text)
{
    size_t more = text[0] < 0x80                       ? 0
                  : text[0] >= 0xc2 && text[0] <= 0xdf ? 1
                  : text[0] >= 0xe0 && text[0] <= 0xef ? 2
                  : text[0] >= 0xf0 && text[0] <= 0xf4 ? 3
                                                       : 4;

    if (more == 4)
        return 0;
    for (size_t i = 1; i <= more; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return more + 1;
}

void html_text(FILE *to, const char *text)
{
    while (*text != '\0') {
        size_t bytes = utf8_bytes((const unsigned char *)text);

        if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '>')
            fputs("&gt;", to);
        else if (*text == '"')
            fputs("&quot;", to);
        else if (*text == '\'')
            fputs("&#39;", to);
        else if (bytes == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
            fputc('?', to);
        else
            fwrite(text, 1, bytes, to);
        text += bytes > 0 ? bytes : 1;
    }
}

/* ---- the front
 * ------------------------------------------------------------------ */

enum {
    WIDTH = 560,
    HEIGHT = 400,
    LEFT = 64,
    RIGHT = 16,
    TOP = 14,
    BOTTOM = 50,
    DOT = 5,
    POINTS_MAX = 64,
    BOXES_MAX = 2 * POINTS_MAX,
};

/* A little more than a character of the page's 12 px is wide. */
#define LABEL_CHAR 6.9
#define LABEL_HEIGHT 14.0

struct box {
    double x, y, width, height;
};

struct axis {
    double low, high;  /* decades */
    double at, length; /* where it is drawn; a negative length goes up */
};

static double place(const struct axis *axis, double value)
{
    double share = (log10(value) - axis->low) / (axis->high - axis->low);

    return axis->at + axis->length * fmin(fmax(share, 0), 1);
}

static void widen(struct axis *axis, double value)
{
    if (!(value > 0) || !isfinite(value))
        return;
    axis->low = fmin(axis->low, log10(value));
    axis->high = fmax(axis->high, log10(value));
}

/* Room at both ends, and at least a decade in all. */
static void round_axis(struct axis *axis)
{
    double middle;

    axis->low -= 0.2;
    axis->high += 0.2;
    middle = (axis->low + axis->high) / 2;
    if (axis->high - axis->low < 1) {
        axis->low = middle - 0.5;
        axis->high = middle + 0.5;
    }
}

static void number_text(char *out, size_t bytes, double value)
{
    if (value >= 1000)
        snprintf(out, bytes, "%gk", value / 1000);
    else
        snprintf(out, bytes, "%g", value);
}

static void tick(FILE *to, const struct axis *axis, bool across, double value)
{
    double at = place(axis, value);
    char text[24];

    number_text(text, sizeof(text), value);
    if (across)
        fprintf(to,
                "<line class=grid x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
                "<text class=tick x=\"%.1f\" y=\"%d\" "
                "text-anchor=middle>%s</text>\n",
                at, at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 16, text);
    else
        fprintf(to,
                "<line class=grid x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=tick x=\"%d\" y=\"%.1f\" "
                "text-anchor=end>%s</text>\n",
                LEFT, WIDTH - RIGHT, at, at, LEFT - 7, at + 4, text);
}

/* 1, 10, 100; and 2 and 5 between them where there are few decades. */
static void ticks(FILE *to, const struct axis *axis, bool across)
{
    static const double steps[] = {1, 2, 5};
    bool fine = axis->high - axis->low < 2.5;

    for (int decade = (int)floor(axis->low); decade <= axis->high; decade++) {
        for (unsigned i = 0; i < (fine ? 3 : 1); i++) {
            double value = steps[i] * pow(10, decade);

            if (log10(value) >= axis->low && log10(value) <= axis->high)
                tick(to, axis, across, value);
        }
    }
}

static bool overlap(const struct box *a, const struct box *b)
{
    return a->x < b->x + b->width && b->x < a->x + a->width &&
           a->y < b->y + b->height && b->y < a->y + a->height;
}

static bool inside_frame(const struct box *box)
{
    return box->x >= LEFT + 3 && box->x + box->width <= WIDTH - RIGHT - 3 &&
           box->y >= TOP + 3 && box->y + box->height <= HEIGHT - BOTTOM - 3;
}

struct front {
    struct axis x, y;
    struct box box[BOXES_MAX]; /* dots, then names */
    size_t boxes;
};

static bool free_for(const struct front *front, const struct box *box)
{
    if (!inside_frame(box))
        return false;
    for (size_t i = 0; i < front->boxes; i++)
        if (overlap(&front->box[i], box))
            return false;
    return true;
}

/* A place for a name near its dot: right, left, above, below, and then ever
 * further out. The frame at the least, should nothing be free. */
static struct box name_box(const struct front *front, double x, double y,
                           const char *name)
{
    static const double way[][2] = {{1, 0},  {-1, 0}, {0, -1},  {0, 1},
                                    {1, -1}, {1, 1},  {-1, -1}, {-1, 1}};
    struct box box = {.width = LABEL_CHAR * (double)strlen(name),
                      .height = LABEL_HEIGHT};

    for (int ring = 0; ring < 10; ring++) {
        double far = 8 + 9 * ring;

        for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
            box.x = x - box.width / 2 + way[i][0] * (box.width / 2 + far);
            box.y = y - box.height / 2 + way[i][1] * (box.height / 2 + far);
            if (free_for(front, &box))
                return box;
        }
    }
    box.x = fmin(fmax(x + 8, LEFT + 3), WIDTH - RIGHT - 3 - box.width);
    box.y = fmin(fmax(y, TOP + 3), HEIGHT - BOTTOM - 3 - box.height);
    return box;
}

static void draw_name(FILE *to, struct front *front,
                      const struct chart_point *point)
{
    double x = place(&front->x, point->x), y = place(&front->y, point->y);
    struct box box = name_box(front, x, y, point->name);
    double middle_x = box.x + box.width / 2, middle_y = box.y + box.height / 2;

    if (front->boxes < BOXES_MAX)
        front->box[front->boxes++] = box;
    /* Far from its dot it needs a line to say whose it is. */
    if (hypot(fmax(fabs(middle_x - x) - box.width / 2, 0),
              fmax(fabs(middle_y - y) - box.height / 2, 0)) > 12)
        fprintf(to,
                "<line class=lead x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                "y2=\"%.1f\"/>",
                x, y, fmin(fmax(x, box.x), box.x + box.width),
                fmin(fmax(y, box.y), box.y + box.height));
    fprintf(to,
            "<text class=\"label %s\" x=\"%.1f\" y=\"%.1f\" "
            "text-anchor=middle>",
            point->class, middle_x, middle_y + 4);
    html_text(to, point->name);
    fputs("</text>\n", to);
}

static void draw_dot(FILE *to, struct front *front,
                     const struct chart_point *point)
{
    double x = place(&front->x, point->x), y = place(&front->y, point->y);

    fprintf(to, "<g class=\"dot %s\"><title>", point->class);
    html_text(to, point->name);
    fprintf(to,
            ": %.3g (%.3g to %.3g), %.3g (%.3g to %.3g)</title>"
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/></g>\n",
            point->x, point->x_min, point->x_max, point->y, point->y_min,
            point->y_max, place(&front->x, point->x_min),
            place(&front->x, point->x_max), y, y, x, x,
            place(&front->y, point->y_min), place(&front->y, point->y_max), x,
            y, DOT);
    front->box[front->boxes++] =
        (struct box){x - DOT - 1, y - DOT - 1, 2 * DOT + 2, 2 * DOT + 2};
}

static bool drawable(const struct chart_point *point)
{
    return point->x > 0 && point->y > 0 && isfinite(point->x) &&
           isfinite(point->y);
}

static bool beaten(const struct chart_point *points, size_t count, size_t i)
{
    for (size_t k = 0; k < count; k++)
        if (k != i && drawable(&points[k]) && points[k].x <= points[i].x &&
            points[k].y <= points[i].y)
            return true;
    return false;
}

/* From the cheapest to the quickest, in steps: what is left below or above
 * the line nobody offers. */
static void draw_front(FILE *to, const struct front *front,
                       const struct chart_point *points, size_t count)
{
    double done = 0, x = NAN, y = NAN;

    fputs("<polyline class=front points=\"", to);
    for (;;) {
        size_t next = count;

        for (size_t i = 0; i < count; i++)
            if (drawable(&points[i]) && points[i].x > done &&
                !beaten(points, count, i) &&
                (next == count || points[i].x < points[next].x))
                next = i;
        if (next == count)
            break;
        done = points[next].x;
        x = place(&front->x, done);
        if (isfinite(y))
            fprintf(to, "%.1f,%.1f ", x, y);
        else
            fprintf(to, "%.1f,%d ", x, TOP);
        y = place(&front->y, points[next].y);
        fprintf(to, "%.1f,%.1f ", x, y);
    }
    if (isfinite(y))
        fprintf(to, "%d,%.1f", WIDTH - RIGHT, y);
    fputs("\"/>\n", to);
}

static size_t fit_axes(struct front *front, const struct chart_point *points,
                       size_t count)
{
    size_t drawn = 0;

    front->x = (struct axis){INFINITY, -INFINITY, LEFT, WIDTH - RIGHT - LEFT};
    front->y = (struct axis){INFINITY, -INFINITY, HEIGHT - BOTTOM,
                             TOP + BOTTOM - HEIGHT};
    for (size_t i = 0; i < count; i++) {
        if (!drawable(&points[i]))
            continue;
        drawn++;
        widen(&front->x, points[i].x);
        widen(&front->x, points[i].x_min);
        widen(&front->x, points[i].x_max);
        widen(&front->y, points[i].y);
        widen(&front->y, points[i].y_min);
        widen(&front->y, points[i].y_max);
    }
    round_axis(&front->x);
    round_axis(&front->y);
    return drawn;
}

void chart_front(FILE *to, const struct chart_point *points, size_t count,
                 const char *x_title, const char *y_title)
{
    struct front front = {0};

    if (count > POINTS_MAX)
        count = POINTS_MAX;
    if (fit_axes(&front, points, count) == 0)
        return;
    fprintf(to, "<svg class=\"chart wide\" viewBox=\"0 0 %d %d\" role=img>\n",
            WIDTH, HEIGHT);
    ticks(to, &front.x, true);
    ticks(to, &front.y, false);
    fprintf(to,
            "<rect class=frame x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\"/>\n",
            LEFT, TOP, WIDTH - RIGHT - LEFT, HEIGHT - TOP - BOTTOM);
    fprintf(to, "<text class=axis x=\"%d\" y=\"%d\" text-anchor=middle>",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10);
    html_text(to, x_title);
    fprintf(to,
            "</text><text class=axis transform=\"translate(16 %d) "
            "rotate(-90)\" text-anchor=middle>",
            (TOP + HEIGHT - BOTTOM) / 2);
    html_text(to, y_title);
    fputs("</text>\n", to);
    draw_front(to, &front, points, count);
    for (size_t i = 0; i < count; i++)
        if (drawable(&points[i]))
            draw_dot(to, &front, &points[i]);
    for (size_t i = 0; i < count; i++)
        if (drawable(&points[i]))
            draw_name(to, &front, &points[i]);
    fputs("</svg>\n", to);
}

/* ---- shares
 * --------------------------------------------------------------------- */

enum { BAR_WIDTH = 600, BAR_HEIGHT = 18 };

void chart_shares(FILE *to, const char *const *names, const double *shares,
                  size_t count)
{
    double at = 0;

    fprintf(to,
            "<svg class=\"chart bar\" viewBox=\"0 0 %d %d\" "
            "preserveAspectRatio=none role=img>",
            BAR_WIDTH, BAR_HEIGHT);
    for (size_t i = 0; i < count; i++) {
        double width = BAR_WIDTH * shares[i];

        if (!(width > 0))
            continue;
        fprintf(to,
                "<rect class=\"state %s\" x=\"%.2f\" y=\"0\" width=\"%.2f\" "
                "height=\"%d\"><title>%s %.2f %%</title></rect>",
                names[i], at, width, BAR_HEIGHT, names[i], 100 * shares[i]);
        at += width;
    }
    fputs("</svg>\n", to);
}

/* ---- distributions
 * -------------------------------------------------------------- */

enum { SMALL_WIDTH = 270, SMALL_HEIGHT = 78, SMALL_SIDE = 16, SMALL_FOOT = 16 };

static void small_begin(FILE *to)
{
    fprintf(to, "<svg class=\"chart small\" viewBox=\"0 0 %d %d\" role=img>",
            SMALL_WIDTH, SMALL_HEIGHT);
}

static void small_end(FILE *to)
{
    fprintf(to,
            "<line class=base x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/></svg>"
            "\n",
            SMALL_SIDE, SMALL_WIDTH - SMALL_SIDE, SMALL_HEIGHT - SMALL_FOOT,
            SMALL_HEIGHT - SMALL_FOOT);
}

static void small_tick(FILE *to, double at, const char *text)
{
    fprintf(to,
            "<line class=grid x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"%d\"/>"
            "<text class=tick x=\"%.1f\" y=\"%d\" text-anchor=middle>%s"
            "</text>",
            at, at, SMALL_HEIGHT - SMALL_FOOT, at, SMALL_HEIGHT - 4, text);
}

void chart_histogram(FILE *to, const struct chart_axis *axis,
                     const double *buckets, size_t count,
                     double (*start)(unsigned i), const double *marks,
                     size_t mark_count, const char *class)
{
    const struct axis x = {axis->low, axis->high, SMALL_SIDE,
                           SMALL_WIDTH - 2 * SMALL_SIDE};
    double most = 0, room = SMALL_HEIGHT - SMALL_FOOT - 4;
    bool few = axis->high - axis->low < 6;

    small_begin(to);
    for (int decade = (int)ceil(axis->low); decade <= axis->high; decade++)
        small_tick(to, place(&x, pow(10, decade)),
                   decade % 2 == 0 || few ? axis->name(decade) : "");
    for (size_t i = 0; i < count; i++)
        most = fmax(most, buckets[i]);
    for (size_t i = 0; most > 0 && i < count; i++) {
        double from = place(&x, start((unsigned)i));
        double until = place(&x, start((unsigned)i + 1));
        double height = room * buckets[i] / most;

        if (height > 0 && until > from)
            fprintf(to,
                    "<rect class=\"fill %s\" x=\"%.2f\" y=\"%.2f\" "
                    "width=\"%.2f\" height=\"%.2f\"/>",
                    class, from + 0.3, SMALL_HEIGHT - SMALL_FOOT - height,
                    fmax(until - from - 0.6, 0.6), height);
    }
    for (size_t i = 0; i < mark_count; i++) {
        double at =
            marks[i] > 0 && isfinite(marks[i]) ? place(&x, marks[i]) : NAN;

        if (isfinite(at))
            fprintf(to,
                    "<line class=mark x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" "
                    "y2=\"%d\"/>",
                    at, at, SMALL_HEIGHT - SMALL_FOOT);
    }
    small_end(to);
}

void chart_line(FILE *to, const struct chart_xy *points, size_t count,
                double x_max, double y_max, double mark_x, const char *class)
{
    double room = SMALL_HEIGHT - SMALL_FOOT - 4;
    double wide = SMALL_WIDTH - 2 * SMALL_SIDE;
    char text[24];

    if (!(x_max > 0) || !(y_max > 0))
        return;
    small_begin(to);
    for (int x = 0; x <= x_max; x += x_max > 20 ? 10 : 5) {
        snprintf(text, sizeof(text), "%d s", x);
        small_tick(to, SMALL_SIDE + wide * x / x_max, text);
    }
    if (mark_x > 0 && mark_x < x_max)
        fprintf(to,
                "<line class=mark x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" "
                "y2=\"%d\"/>",
                SMALL_SIDE + wide * mark_x / x_max,
                SMALL_SIDE + wide * mark_x / x_max, SMALL_HEIGHT - SMALL_FOOT);
    fprintf(to, "<polyline class=\"line %s\" points=\"", class);
    for (size_t i = 0; i < count; i++)
        if (isfinite(points[i].x) && isfinite(points[i].y))
            fprintf(to, "%.1f,%.1f ",
                    SMALL_SIDE + wide * fmin(points[i].x / x_max, 1),
                    SMALL_HEIGHT - SMALL_FOOT -
                        room * fmin(fmax(points[i].y / y_max, 0), 1));
    fputs("\"/>", to);
    small_end(to);
}
