/*
 * A server and a client of SCTP, which Node has no sockets for, in the one-to-one style (RFC 6458).
 *   sctp serve PORT NAME     answers each association with `NAME ADDRESS`, the client's
 *   sctp ask ADDRESS PORT    prints the answer, or why there is none
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_S 10

static int failed(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  return 1;
}

static int serve(int fd, struct sockaddr_in *at, const char *name) {
  if (bind(fd, (struct sockaddr *)at, sizeof *at) || listen(fd, 16)) return failed("listen");
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int client = accept(fd, (struct sockaddr *)&from, &size);
    if (client < 0) return failed("accept");
    char text[128];
    int length = snprintf(text, sizeof text, "%s %s", name, inet_ntoa(from.sin_addr));
    if (send(client, text, length, 0) < 0) failed("send");
    close(client);
  }
}

static int ask(int fd, struct sockaddr_in *at) {
  if (connect(fd, (struct sockaddr *)at, sizeof *at)) return failed("connect");
  char text[128] = "";
  if (recv(fd, text, sizeof text - 1, 0) < 0) return failed("recv");
  puts(text);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  int serves = strcmp(argv[1], "serve") == 0;
  struct sockaddr_in at = {.sin_family = AF_INET};
  at.sin_port = htons(atoi(argv[serves ? 2 : 3]));
  if (!serves && !inet_aton(argv[2], &at.sin_addr)) return 2;
  int fd = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) return failed("socket");
  struct timeval patience = {.tv_sec = TIMEOUT_S};
  if (!serves) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (!serves) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return serves ? serve(fd, &at, argv[3]) : ask(fd, &at);
}
