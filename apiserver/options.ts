import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Encryption } from "@raft2kube/encryption/config.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Followed } from "@raft2kube/reconcile/followed-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { AdmissionFlags } from "./admission/plugins.ts";
import type { AuditOptions } from "./audit/options.ts";
import type { AuthenticationOptions } from "./authn/options.ts";
import type { RequestHeader } from "./authn/request-header.ts";
import type { SigningKeyTexts } from "./authn/signing-keys.ts";
import type { AuthorizationConfig } from "./authz/config.ts";
import type { Serves } from "./resource/runtime-config.ts";
import type { ServiceResolver } from "./webhook/services.ts";

/** A PEM certificate and its key. */
export type KeyPair = { cert: string; key: string };

/** Requests that may be worked on at a time. */
export interface InFlightMax {
  readonly reading: number;
  readonly writing: number;
  /** Watches, logs that are followed, streams: of one user, or one namespace's accounts. */
  readonly lasting?: number;
}

/** How kubelets are spoken to: the certificate that they are shown, and the CAs of theirs. */
export type KubeletAccess = KeyPair & { ca?: string };

/** The certificates that a server shows, and those that it trusts. */
export interface ServerTrust {
  readonly tls: KeyPair;
  /** CAs whose client certificates are believed, PEM. */
  readonly clientCa: string;
  /** CAs of proxies that name users, PEM. */
  readonly proxyCa?: string;
  /** The certificates that kubelets and aggregated servers are shown. Default: they stay. */
  readonly kubeletClient?: KubeletAccess;
  readonly proxyClient?: KeyPair;
}

/** Everything an apiserver is given. PEM texts, not paths: `cli` reads the files. */
export interface ApiserverOptions {
  /** The store; its creator closes it. */
  etcd: EtcdClient;
  /** Where to listen; port 0 takes a free one. */
  listen: readonly { host: string; port: number }[];
  tls: KeyPair;
  /** Certificates of CAs whose client certificates are believed. */
  clientCa: string;
  /** The certificates and CAs of other options, as they are renewed. Default: they stay. */
  trust?: Followed<ServerTrust>;
  serviceAccountKey: SigningKeyTexts & {
    /** The `iss` claim, an https URL. */
    issuer: string;
    /** Audiences accepted and, when a request names none, given. Default: the issuer. */
    audiences?: readonly string[];
  };
  /** `10.96.0.0/16`. Its first address is the Service `kubernetes`. */
  serviceCidr: string;
  nodePortRange?: { from: number; to: number };
  /** The address by which others reach this server, written into the Endpoints of `kubernetes`. */
  advertiseAddress: string;
  advertisePort?: number;
  /** How kubelets are spoken to for logs, exec and port-forward. */
  kubeletClient: KubeletAccess;
  /** How aggregated API servers know this server. Default: without a certificate. */
  proxyClient?: KeyPair;
  /** The proxies that may name the user of a request in its headers. Default none. */
  requestHeader?: RequestHeader;
  /** Further ways to authenticate, and whether anonymous requests are served. Default they are. */
  authentication?: AuthenticationOptions;
  /** The authorizers in their order. Default the Node authorizer, then RBAC. */
  authorization?: Followed<AuthorizationConfig>;
  /** Finds the address of a Service's port. Default: one of its ready endpoints. */
  services?: ServiceResolver;
  /** Whether Secrets of kube-system are tokens for joining machines. Default no. */
  bootstrapTokens?: boolean;
  /**
   * Whether this server checks the types of policies' expressions and writes their status, as
   * upstream's controller manager does. Default no.
   */
  policyStatuses?: boolean;
  /** Admission plugins enabled or disabled, by upstream's names, and their configuration. */
  admission?: AdmissionFlags;
  /** Kinds that clients are shown, by `readRuntimeConfig`. Default all. */
  serves?: Serves;
  /** How values are encrypted in the store, by `readEncryption`. Default not at all. */
  encryption?: Encryption;
  /** The audit log. Default none. */
  audit?: AuditOptions | undefined;
  /** Requests worked on at a time. Default upstream's 400 and 200. */
  inFlightMax?: InFlightMax;
  /**
   * How `close` ends: how long it goes on serving after `/readyz` has started to fail, and whether
   * requests that come after that are refused with a 429 and Retry-After. Default 0, no.
   */
  shutdown?: { readonly delay_ms: number; readonly sendRetryAfter?: boolean };
  /** The machine's name in this server's Lease. Default the host's name. */
  machineName?: string;
  /** Traces requests; its creator closes it. Default not. */
  tracer?: Tracer | undefined;
  /** The flags it was started with, for `/flagz`. Default those that say the same as these. */
  flags?: Readonly<Record<string, string>>;
  clock?: Clock;
  random?: Random;
}
