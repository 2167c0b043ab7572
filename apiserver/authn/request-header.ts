import { X509Certificate } from "node:crypto";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { certificatesIn } from "@raft2kube/std/costly-certificate.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Incoming } from "../request/context.ts";
import { extrasOf, valuesOf } from "../request/raw-headers.ts";
import type { Certified } from "./client-certificate.ts";

/** The proxies in front of this server, and the headers by which they name the user. */
export interface RequestHeader {
  /** CAs of the proxies' certificates, PEM. */
  readonly clientCa: string;
  /** Common names of the proxies; empty: every certificate of the CAs is a proxy's. */
  readonly allowedNames: readonly string[];
  /** The first of these that has a value counts. */
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  /** All values of all of these count. */
  readonly groupHeaders: readonly string[];
  readonly extraHeaderPrefixes: readonly string[];
}

/** The SHA-256 fingerprints of the certificates in a bundle, as Node writes them. */
export function fingerprintsOf(bundle: string): Set<string> {
  return new Set(certificatesIn(bundle).map((der) => new X509Certificate(der).fingerprint256));
}

/**
 * Authenticates users by the headers of a proxy that shows a certificate of a CA of its own
 * (upstream's authentication/request/headerrequest). Another client's headers are not read.
 */
export class RequestHeaders {
  readonly #options: RequestHeader;
  #proxies: ReadonlySet<string> = new Set();
  #clients: ReadonlySet<string> = new Set();

  /** `clientCa` has the CAs of ordinary clients. */
  constructor(options: RequestHeader, clientCa: string) {
    this.#options = options;
    this.trust(options.clientCa, clientCa);
  }

  /** Puts others in the place of the CAs of proxies and of ordinary clients. */
  trust(proxyCa: string, clientCa: string): void {
    this.#proxies = fingerprintsOf(proxyCa);
    this.#clients = fingerprintsOf(clientCa);
  }

  /** Whether a certificate names a user itself; TLS takes those of proxies too. */
  isClient({ root }: Certified): boolean {
    return root !== undefined && this.#clients.has(root);
  }

  /** The user that a proxy names; its headers go no further. Undefined when there is none. */
  userOf(request: Incoming, { root, user: proxy }: Certified): RequestUser | undefined {
    const { allowedNames, usernameHeaders, uidHeaders, groupHeaders } = this.#options;
    if (root === undefined || !this.#proxies.has(root)) return undefined;
    if (allowedNames.length > 0 && !allowedNames.includes(proxy.name)) return undefined;
    const [name] = this.#take(request, usernameHeaders);
    if (name === undefined) return undefined;
    const [uid] = this.#take(request, uidHeaders);
    const groups = this.#take(request, groupHeaders);
    return given({ name, groups, extra: this.#takeExtra(request), uid });
  }

  /** Takes the values of headers that are not empty, in the order of the headers' names. */
  #take(request: Incoming, headers: readonly string[]): string[] {
    return headers.flatMap((header) => {
      const name = header.toLowerCase();
      delete request.headers[name];
      return valuesOf(request, name).filter((value) => value !== "");
    });
  }

  #takeExtra(request: Incoming): Record<string, string[]> {
    const prefixes = this.#options.extraHeaderPrefixes.map((each) => each.toLowerCase());
    for (const name of Object.keys(request.headers)) {
      if (prefixes.some((prefix) => name.startsWith(prefix))) delete request.headers[name];
    }
    const extras = Object.entries(extrasOf(request, ...prefixes));
    return Object.fromEntries(
      extras.map(([key, values]) => [key, values.filter((value) => value !== "")]),
    );
  }
}
