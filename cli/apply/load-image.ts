import { createReadStream } from "node:fs";
import { request } from "node:http";
import type { Readable } from "node:stream";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { isStopped, readJoiningNodes } from "../spec/nodes.ts";
import { nodePaths } from "../spec/paths.ts";
import { CommandError } from "../terminal.ts";

export type Loaded = { readonly loaded: readonly string[] };

/** The nodes whose images are this machine's files: all that run, but for guests. */
export async function nodesWithImages(cluster: ClusterConfig): Promise<ClusterConfig[]> {
  const joined = (await readJoiningNodes(cluster)).filter((node) => !isStopped(node));
  return [cluster, ...joined].filter((node) => node.guest === undefined);
}

/** Loads the images of an archive, a file or a stream, into a node; `name` is for errors. */
export function loadImage(
  node: ClusterConfig,
  from: string | Readable,
  name: string,
): Promise<Loaded> {
  const socketPath = nodePaths(node).controlSocket;
  const archive = typeof from === "string" ? createReadStream(from) : from;
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: "/images", method: "POST" }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => {
        const answer = JSON.parse(body) as Loaded & { error?: string; remedy?: string };
        if (response.statusCode === 200) return resolve(answer);
        const { error, remedy } = answer;
        reject(new CommandError("BAD_IMAGE", `${name}: ${error}`, remedy ? { remedy } : {}));
      });
    });
    call.on("error", (cause) => {
      const remedy = "r2k status; r2k start";
      const message = `node ${node.nodeName} does not answer`;
      reject(new CommandError("NO_NODE", message, { remedy, cause }));
    });
    archive.on("error", (cause: Error) => {
      call.destroy();
      reject(new CommandError("BAD_IMAGE", `${name}: ${messageOf(cause)}`, { cause }));
    });
    archive.pipe(call);
  });
}
