import type { IncomingMessage } from "node:http";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { BACKEND_REFUSAL_BYTES_MAX } from "../../limits.ts";

const log = logger("apiserver");

/** The text of an answer by which a backend refuses, as far as it comes and is kept. */
export async function refusalText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let left = BACKEND_REFUSAL_BYTES_MAX;
  try {
    for await (const chunk of answer) {
      chunks.push((chunk as Buffer).subarray(0, left));
      left -= (chunk as Buffer).length;
      if (left <= 0) break;
    }
  } catch (thrown) {
    log.debug("a refusal broke off", { reason: messageOf(thrown) });
  }
  return Buffer.concat(chunks).toString("utf8").trim();
}
