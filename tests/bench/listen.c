/* SPDX-License-Identifier: MIT
 *
 * A server of one fixed answer of 700 bytes: what the listener costs by itself. Prints its address; ends at SIGTERM.
 *
 *     build/bench/listen 127.0.0.1:0 [cert.pem key.pem]        # then: wrk -t1 -c16 -d3 http://ADDRESS/
 */
#include <rec/http.h>

#include <signal.h>

static struct rec_listener *listener;

static bool handle(void *context, struct rec_exchange *x)
{
    (void)context;
    x->response.status = 200;
    x->response.type = "application/json";
    x->response.no_etag = x->response.no_gzip = true;
    for (int i = 0; i < 10; i++)
        rec_buf_adds(&x->response.body, "{\"movie_id\":\"2571\",\"title\":\"Matrix, The (1999)\",\"score\":4.512345},");
    return false;
}

static void on_signal(int number)
{
    (void)number;
    rec_listen_stop(listener);
}

int main(int argc, char **argv)
{
    const struct rec_connection_handler handler = {.handle = handle};
    struct rec_listen_options options = {.address = argc > 1 ? argv[1] : "127.0.0.1:0", .fd = -1, .most = SIZE_MAX / 2,
                                         .tls_cert = argc > 3 ? argv[2] : NULL, .tls_key = argc > 3 ? argv[3] : NULL};
    struct sigaction action = {.sa_handler = on_signal};
    struct rec_err err = {0};
    int status;

    if (rec_listen_open(&listener, &options, &handler, &err) < 0) {
        fprintf(stderr, "listen: %s\n", err.text);
        return 1;
    }
    sigaction(SIGTERM, &action, NULL);
    printf("%s\n", rec_listen_address(listener));
    fflush(stdout);
    status = rec_listen_run(listener, &err);
    if (status < 0)
        fprintf(stderr, "listen: %s\n", err.text);
    rec_listen_close(listener);
    return status < 0;
}
