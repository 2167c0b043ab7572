import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { CERTIFICATE_REREAD_MS } from "../limits.ts";
import type { KubeConnection } from "./credentials.ts";

const log = logger("client-kube");

/** A client's certificate and its key, in PEM; neither for a client without. */
export type ClientPair = { readonly cert?: string; readonly key?: string };

/**
 * A reader of the pair to show now, the same object as long as it is the same pair. Files that
 * cannot be read, or of which only one is replaced yet, leave the last pair in use.
 */
export function pairReader(
  { cert, key, pairFiles }: KubeConnection,
  clock: Clock,
): () => ClientPair {
  let pair: ClientPair = {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  if (pairFiles === undefined) return () => pair;
  let read_ms = clock.monotonic();
  return () => {
    if (clock.monotonic() - read_ms < CERTIFICATE_REREAD_MS) return pair;
    read_ms = clock.monotonic();
    try {
      const [cert, key] = [pairFiles.cert, pairFiles.key].map((file) => readFileSync(file, "utf8"));
      if (cert === pair.cert && key === pair.key) return pair;
      const found = { cert: cert!, key: key! };
      createSecureContext(found);
      pair = found;
    } catch (thrown) {
      const error = messageOf(thrown);
      log.warn("a client certificate is not read again, the last one is used", { error });
    }
    return pair;
  };
}
