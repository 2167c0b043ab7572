import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Proxy } from "@raft2kube/proxy/main.ts";
import { loadArchive } from "@raft2kube/runtime/image/archive.ts";
import type { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import type { Closable } from "./started-parts.ts";

/**
 * Serves requests of the command line to a running node that no public protocol has: `POST /images`
 * with an OCI or Docker archive loads its images, `GET /proxy` returns the ProxyState. A Unix
 * socket that only its owner may open.
 */
export async function startNodeControl(
  path: string,
  images: ImageStore,
  proxy: Pick<Proxy, "state">,
): Promise<Closable> {
  await rm(path, { force: true });
  const server = createServer((request, response) => void serve(images, proxy, request, response));
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(path, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  images: ImageStore,
  proxy: Pick<Proxy, "state">,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  if (request.method === "GET" && request.url === "/proxy") return answer(200, proxy.state());
  if (request.method !== "POST" || request.url !== "/images") {
    return answer(404, { error: `there is no ${request.method} ${request.url}` });
  }
  try {
    answer(200, { loaded: await loadArchive(images, request) });
  } catch (thrown) {
    const remedy = thrown instanceof CodedError ? thrown.remedy : undefined;
    answer(400, { error: messageOf(thrown), remedy });
  }
}
