import { createServer } from "node:http";
import { limitConnections } from "@raft2kube/client-kube/delegated/connection-limits.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import { HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "../limits.ts";

/**
 * Serves `/healthz` in plain HTTP, for kubeadm and for who restarts the kubelet (upstream's
 * `healthzBindAddress` and `healthzPort`): a process that answers runs. A port that is in use is
 * logged, and the kubelet runs without the page.
 */
export function serveHealthz({ host, port }: { readonly host: string; readonly port: number }): {
  close(): void;
} {
  const timeouts = { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS };
  const server = createServer(timeouts, (request, response) => {
    const isHealth = request.method === "GET" && request.url?.split("?", 1)[0] === "/healthz";
    response.writeHead(isHealth ? 200 : 404, {
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
    });
    response.end(isHealth ? "ok" : "404 page not found\n");
  });
  paceHttp(server);
  limitConnections(server);
  server.on("error", ({ message }) => {
    logger("kubelet-server").error("its health is not served", { host, port, message });
  });
  server.listen(port, host);
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
