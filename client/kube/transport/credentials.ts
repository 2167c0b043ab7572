import { readFile } from "node:fs/promises";
import type { Clock } from "@raft2kube/std/clock.ts";
import { TOKEN_REREAD_MS } from "../limits.ts";

/** Provides the token to send, and is notified when the server rejects it. */
export interface TokenReader {
  read(): Promise<string>;
  rejected(): void;
}

/** A bearer token: fixed, in a file that is replaced before it expires, or asked for each time. */
export type TokenSource = string | { file: string } | TokenReader;

/** How to reach one apiserver, and as whom. PEM texts, not paths. */
export interface KubeConnection {
  /** `https://host:port`; `http://` only for tests and `kubectl proxy`. */
  server: string;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  token?: TokenSource | undefined;
  /** The name to expect in the server's certificate, when it is not the one in `server`. */
  tlsServerName?: string | undefined;
}

/** A reader of the current token; a file is read again when it is a minute old or was rejected. */
export function tokenReader(source: TokenSource, clock: Clock): TokenReader {
  if (typeof source === "string") return { read: () => Promise.resolve(source), rejected() {} };
  if (!("file" in source)) return source;
  let token = "";
  let read_ms = -Infinity;
  return {
    async read() {
      if (clock.monotonic() - read_ms >= TOKEN_REREAD_MS) {
        token = (await readFile(source.file, "utf8")).trim();
        read_ms = clock.monotonic();
      }
      return token;
    },
    rejected() {
      read_ms = -Infinity;
    },
  };
}
