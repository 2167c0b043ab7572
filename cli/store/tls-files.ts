import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { SettingError } from "./flag-error.ts";

const log = logger("tls");

/** How long what was found is taken for what is there. */
const LOOK_AGAIN_MS = 100;

type Texts<K extends string> = Record<K, string | undefined>;

/**
 * PEM files that may be replaced while the member runs; reads return the current content. While a
 * certificate and its key do not match, as during a replacement, the previous ones stay in use.
 */
export class TlsFiles<K extends string> {
  readonly #paths: Record<K, string | undefined>;
  readonly #clock: Clock;
  #texts: Texts<K>;
  #stamps: string;
  #looked_ms: number;

  /** Reads all files; throws SettingError, naming the file, when one cannot be used. */
  constructor(paths: Record<K, string | undefined>, clock: Clock) {
    this.#paths = paths;
    this.#clock = clock;
    this.#looked_ms = clock.monotonic();
    try {
      this.#stamps = this.#stampsNow();
      this.#texts = this.#read();
    } catch (thrown) {
      const files = this.#named()
        .map(([, path]) => path)
        .join(", ");
      throw new SettingError(`certificates cannot be used: ${files}: ${messageOf(thrown)}`);
    }
  }

  /** A file's text as of now; undefined for one that was not named. */
  text(name: K): string | undefined {
    this.#look();
    return this.#texts[name];
  }

  #look(): void {
    const now_ms = this.#clock.monotonic();
    if (now_ms - this.#looked_ms < LOOK_AGAIN_MS) return;
    this.#looked_ms = now_ms;
    try {
      const stamps = this.#stampsNow();
      if (stamps === this.#stamps) return;
      this.#texts = this.#read();
      this.#stamps = stamps;
      log.info("certificates were replaced", { files: this.#named().map(([, path]) => path) });
    } catch (thrown) {
      log.warn("certificates on disk cannot be used: the ones before stay", {
        reason: messageOf(thrown),
      });
    }
  }

  #named(): [K, string][] {
    const all = Object.entries(this.#paths) as [K, string | undefined][];
    return all.filter((entry): entry is [K, string] => entry[1] !== undefined);
  }

  #stampsNow(): string {
    return this.#named()
      .map(([, path]) => {
        const { mtimeMs, size, ino } = statSync(path);
        return `${mtimeMs}/${size}/${ino}`;
      })
      .join(" ");
  }

  #read(): Texts<K> {
    const texts = Object.fromEntries(
      this.#named().map(([name, path]) => [name, pemOf(name, readFileSync(path))]),
    ) as Texts<K>;
    const { cert, key, ca } = texts as Texts<string>;
    const given = Object.entries({ cert, key, ca }).filter(([, text]) => text !== undefined);
    createSecureContext(Object.fromEntries(given));
    return texts;
  }
}

const PEM = "-----BEGIN ";

/** A revocation list may also be in DER, as with etcd. */
function pemOf(name: string, bytes: Buffer): string {
  if (name !== "crl" || bytes.includes(PEM)) return bytes.toString("utf8");
  const lines = bytes.toString("base64").replaceAll(/.{64}/g, "$&\n").trimEnd();
  return `${PEM}X509 CRL-----\n${lines}\n-----END X509 CRL-----\n`;
}
