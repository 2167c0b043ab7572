/** The wanted behaviour of the data plane, in no language of haproxy. */
export interface Plan {
  readonly frontends: readonly Frontend[];
  /** Backends by name. */
  readonly backends: ReadonlyMap<string, Backend>;
}

/** A port of the data plane. */
export interface Frontend {
  /** Unique; letters, digits, `-`, `_`, `.` and `:`. */
  readonly name: string;
  readonly port: number;
  /** Certificates of HTTPS, the first for names that no other has; undefined: HTTP. */
  readonly certificates: readonly Certificate[] | undefined;
  /** Refuses clients whose server name no certificate has. */
  readonly isStrict?: boolean;
  readonly sites: readonly Site[];
}

export interface Certificate {
  /** A digest of its content. */
  readonly id: string;
  /** Certificates, then the key, as PEM that this program has written itself. */
  readonly pem: string;
  /** Server names it is presented for; `*.` matches one label. */
  readonly hosts: readonly string[];
}

/** Which requests belong to a site, by their Host header. */
export type HostMatch =
  | { readonly kind: "exact"; readonly host: string }
  /** `suffix` starts with a dot; one label stands before it (Ingress) or any number (Gateway). */
  | { readonly kind: "label" | "suffix"; readonly suffix: string }
  | { readonly kind: "any" };

/** The paths of one host. */
export interface Site {
  readonly host: HostMatch;
  /** Rules; of two of equal conditions the earlier one wins. */
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

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export type Filter =
  | {
      readonly kind: "set" | "add"; readonly of: Side;
      readonly name: string; readonly value: string;
    }
  | { readonly kind: "remove"; readonly of: Side; readonly name: string }
  | { readonly kind: "host"; readonly value: string }
  | { readonly kind: "path"; readonly value: string }
  /** Puts `value` in the place of the path's first `length` bytes. */
  | { readonly kind: "prefix"; readonly length: number; readonly value: string }
  | Redirect;

export type Side = "request" | "response";

export interface Redirect {
  readonly kind: "redirect";
  readonly scheme: "http" | "https";
  /** Host of the new place; undefined: that of the request. */
  readonly host: string | undefined;
  /** Port of the new place; undefined: the scheme's own. */
  readonly port: number | undefined;
  readonly path: Extract<Filter, { kind: "path" | "prefix" }> | undefined;
  readonly code: number;
}

/** A refusal of an object, or of a part, as an Event shows it. */
export interface Refusal {
  readonly about: { kind: string; apiVersion: string; metadata: object };
  readonly reason: string;
  readonly message: string;
}
