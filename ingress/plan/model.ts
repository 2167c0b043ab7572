/** The wanted behaviour of the data plane, in no language of haproxy. */
export interface Plan {
  readonly frontends: readonly Frontend[];
  /** Backends by name. */
  readonly backends: ReadonlyMap<string, Backend>;
}

/** Ports of the data plane that serve the same sites. */
export interface Frontend {
  /** Unique; letters, digits, `-`, `_`, `.` and `:`. */
  readonly name: string;
  readonly binds: readonly Bind[];
  readonly sites: readonly Site[];
}

/** A port; with certificates it serves HTTPS. */
export type Bind = { readonly port: number; readonly certificates?: readonly Certificate[] };

/** A pair as haproxy reads it, written again from its parsed form. */
export interface Pair {
  /** A digest of its content. */
  readonly id: string;
  /** Certificates, then the key, as PEM. */
  readonly pem: string;
}

export interface Certificate extends Pair {
  /**
   * Server names it is presented for, of which `*.` matches one label; without any it is for
   * clients that ask for no other's. Where all have names, other clients are refused.
   */
  readonly hosts: readonly string[];
}

/** The paths of one host. */
export interface Site {
  /**
   * A name; with `*.` at its start the names of one label more (Ingress), with `**.` of any number
   * (Gateway); empty: all others.
   */
  readonly host: string;
  /** Rules; of two of one path those with conditions come first, then the earlier one. */
  readonly paths: readonly PathRule[];
}

export interface PathRule {
  readonly kind: "exact" | "prefix";
  /** A prefix is without the slash at its end: the empty one matches all. */
  readonly path: string;
  readonly conditions: readonly Condition[];
  /** A backend's name. */
  readonly backend: string;
}

/** A condition beside host and path; all of a rule's must hold. */
export type Condition =
  | { readonly on: "method"; readonly value: string }
  | { readonly on: "header" | "query"; readonly name: string; readonly value: string };

export interface Backend {
  readonly name: string;
  /** The namespace whose share of the connections its requests have. */
  readonly namespace?: string;
  readonly targets: readonly Target[];
  readonly filters: readonly Filter[];
  readonly timeout_ms?: number;
  readonly bodyBytesMax?: number;
}

/** Each target gets a part of the requests, by its weight. */
export interface Target {
  readonly weight: number;
  /** Endpoints to use; undefined: none may be, and the share is answered with 500. */
  readonly endpoints: readonly Endpoint[] | undefined;
  /** Speaks HTTP/2 without TLS. */
  readonly isHttp2: boolean;
}

export type Endpoint = { readonly address: string; readonly port: number };

/** A change of a request or an answer; the path is changed before a redirect. */
export type Filter =
  | {
      readonly kind: "set" | "add";
      readonly of: "request" | "response";
      readonly name: string;
      readonly value: string;
    }
  | { readonly kind: "remove"; readonly of: "request" | "response"; readonly name: string }
  | { readonly kind: "host" | "path"; readonly value: string }
  /** Puts `value` in the place of the path's first `length` bytes. */
  | { readonly kind: "prefix"; readonly length: number; readonly value: string }
  /** Host and port: undefined for those of the request and of the scheme. */
  | {
      readonly kind: "redirect";
      readonly scheme: "http" | "https";
      readonly code: number;
      readonly host: string | undefined;
      readonly port: number | undefined;
    };
