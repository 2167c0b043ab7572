import { type Agent, request } from "node:https";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { requirePlainAnswer } from "@raft2kube/streaming/interim.ts";
import { METRICS_BYTES_MAX, METRICS_PIECES_MAX, METRICS_TIMEOUT_MS } from "../../limits.ts";
import { keyOf } from "../../storage/keys.ts";
import type { ApiServer } from "../server.ts";
import { connectionTo } from "../subresources/forward.ts";
import { addressOf, type KubeletAddress, kubeletAgent } from "../subresources/kubelet.ts";
import { readPoints } from "./points.ts";
import { Scraper } from "./scraper.ts";

type Parts = Pick<ApiServer, "clock" | "closing" | "options" | "resources">;

/** The scraper of this server's kubelets; idle until the first request. */
export function startScraper(parts: Parts): Scraper {
  const { clock, closing, resources } = parts;
  const nodes = resources.of("v1", "nodes");
  return new Scraper({
    clock,
    nodes: async () => (await nodes.cache()).list().map(({ name }) => name),
    async scrape(name) {
      const entry = (await nodes.cache()).get(keyOf(nodes.kind, "", name));
      if (entry === undefined) throw new CodedError("Gone", `node ${name} is gone`);
      const place = addressOf(entry.shared<Node & KubeObject>());
      const text = await scrapeKubelet({ ...place, agent: kubeletAgent(parts) }, closing);
      return readPoints(text, clock.now());
    },
  });
}

/**
 * Reads `/metrics/resource` of one kubelet, bounded in bytes and time, and in turns: it may come in
 * records of TLS with one byte each.
 */
async function scrapeKubelet(
  place: KubeletAddress & { agent: Agent },
  closing: AbortSignal,
): Promise<string> {
  const signal = AbortSignal.any([AbortSignal.timeout(METRICS_TIMEOUT_MS), closing]);
  const { host, port } = place;
  const connection = connectionTo(`kubelet ${host}`, place);
  const options = { host, port, path: "/metrics/resource", signal, ...connection };
  return await new Promise((resolve, reject) => {
    const outgoing = request(options, (answer) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on("error", reject);
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        const fits = bytes <= METRICS_BYTES_MAX && chunks.length < METRICS_PIECES_MAX;
        if (fits) return void chunks.push(chunk);
        const message =
          `/metrics/resource is longer than ${METRICS_BYTES_MAX} bytes, ` +
          `or comes in more than ${METRICS_PIECES_MAX} pieces`;
        outgoing.destroy(new CodedError("TooLarge", message));
      });
      answer.on("end", () => {
        const { statusCode } = answer;
        if (statusCode === 200) return resolve(Buffer.concat(chunks).toString("utf8"));
        reject(new CodedError("Refused", `/metrics/resource answered ${statusCode}`));
      });
    });
    requirePlainAnswer(outgoing);
    outgoing.on("error", reject);
    outgoing.end();
  });
}
