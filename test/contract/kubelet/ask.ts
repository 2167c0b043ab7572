import type { IncomingMessage } from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";
import type { ApiNode } from "./api-node.ts";

export const MASTER = { name: "admin", groups: ["system:masters"] };

/** GET from the kubelet's own API, as the subject of a certificate, or without one. */
export async function ask(...request: Parameters<typeof open>) {
  const answer = await open(...request);
  return { status: answer.statusCode, body: await text(answer) };
}

/** The same, with the answer's body still to be read. */
export async function open(
  { plane, node }: ApiNode,
  path: string,
  as?: { name: string; groups: string[] },
  headers: Record<string, string> = {},
) {
  const pair = as && (await plane.connection(as.name, as.groups));
  const { host, port } = node.kubelet.address!;
  const identity = { ca: plane.ca.cert, cert: pair?.cert, key: pair?.key };
  const options = { host, port, path, headers, ...identity };
  return new Promise<IncomingMessage>((resolve, reject) => {
    https.get({ ...options, agent: false }, resolve).on("error", reject);
  });
}
