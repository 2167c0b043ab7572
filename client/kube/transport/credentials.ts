import { readFile } from "node:fs/promises";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { TransportError } from "../errors.ts";
import { TOKEN_REREAD_MS } from "../limits.ts";

const log = logger("client-kube");

/** Provides the token to send, and is notified when the server rejects it. */
export interface TokenReader {
  read(): Promise<string>;
  rejected(): void;
}

/** A bearer token: fixed, in a file that is replaced before it expires, or asked for each time. */
export type TokenSource = string | { file: string } | TokenReader;

/** How to reach one apiserver, and as whom. PEM texts, but for the files that are read again. */
export interface KubeConnection {
  /** `https://host:port`; `http://` only for tests and `kubectl proxy`. */
  server: string;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** Files of `cert` and `key` that are replaced before the certificate ends. */
  pairFiles?: { cert: string; key: string } | undefined;
  token?: TokenSource | undefined;
  /** The name to expect in the server's certificate, when it is not the one in `server`. */
  tlsServerName?: string | undefined;
}

/**
 * A reader of the current token; a file is read again when it is a minute old or was rejected. One
 * that cannot be read, or is empty while it is written, leaves the last token in use until then.
 * Fails with TransportError when there was none yet.
 */
export function tokenReader(source: TokenSource, clock: Clock): TokenReader {
  if (typeof source === "string") return { read: () => Promise.resolve(source), rejected() {} };
  if (!("file" in source)) return source;
  let token = "";
  let read_ms = -Infinity;
  return {
    async read() {
      if (clock.monotonic() - read_ms < TOKEN_REREAD_MS) return token;
      try {
        token = await readToken(source.file);
      } catch (thrown) {
        if (token === "") throw thrown;
        log.warn("token not read again, the last one is used", { error: messageOf(thrown) });
      }
      read_ms = clock.monotonic();
      return token;
    },
    rejected() {
      read_ms = -Infinity;
    },
  };
}

async function readToken(file: string): Promise<string> {
  let token: string;
  try {
    token = (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new TransportError("ETOKEN", `token file: ${messageOf(cause)}`, { cause });
  }
  if (token === "") throw new TransportError("ETOKEN", `token file ${file}: it is empty`);
  return token;
}
