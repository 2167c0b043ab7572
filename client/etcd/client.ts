import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  AuthMethods,
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  StatusResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import type { Unary } from "@raft2kube/proto/service.ts";
import type { ClientTls } from "@raft2kube/rpc/client.ts";

type AuthCall<M> =
  M extends Unary<infer Q, infer R>
    ? (request: Init<Q>, options?: CallOptions) => Promise<R>
    : never;

/** etcd's Auth service: users, roles, and whether they are asked for. */
export type EtcdAuth = { readonly [M in keyof AuthMethods]: AuthCall<AuthMethods[M]> };

/** The user of a client, for a store with auth enabled. */
export type EtcdUser = { readonly name: string; readonly password: string };

/** How a store is reached over the network. Data alone: it can be sent to another thread. */
export interface ConnectOptions {
  /** `http://host:port`, `https://host:port` or `unix:///path`; tried in this order. */
  endpoints: string[];
  /** Calls and watches take turns over all endpoints that answer. Default: the first that does. */
  spread?: boolean;
  tls?: ClientTls;
  /** Timeout of calls that set none. Default CALL_TIMEOUT_MS. */
  timeout_ms?: number;
  /** The client acts for this user, as one made by `as` does. */
  user?: EtcdUser;
}

/** The options of each call. */
export interface CallOptions {
  /**
   * The call fails with DEADLINE_EXCEEDED after this long. Without it the client's default holds.
   */
  timeout_ms?: number;
  /** Aborting it ends the call with CANCELLED. */
  signal?: AbortSignal;
  /** The caller's token, from `auth.authenticate`. A client made by `as` adds it itself. */
  token?: string | undefined;
}

/**
 * An etcd v3 client: etcd's messages in, etcd's messages out, the same over gRPC (`grpc.ts`) and
 * inside the store's own process (`store/embedded.ts`). Messages received are shared: treat them
 * as frozen. Every failure is an `EtcdError` with etcd's gRPC status and text.
 */
export interface EtcdClient {
  range(request: Init<RangeRequest>, options?: CallOptions): Promise<RangeResponse>;
  put(request: Init<PutRequest>, options?: CallOptions): Promise<PutResponse>;
  deleteRange(
    request: Init<DeleteRangeRequest>,
    options?: CallOptions,
  ): Promise<DeleteRangeResponse>;
  txn(request: Init<TxnRequest>, options?: CallOptions): Promise<TxnResponse>;
  compact(request: Init<CompactionRequest>, options?: CallOptions): Promise<CompactionResponse>;

  /** Opens a stream on which any number of watches can be created. */
  watch(options?: WatchOptions): WatchStream;

  leaseGrant(request: Init<LeaseGrantRequest>, options?: CallOptions): Promise<LeaseGrantResponse>;
  leaseRevoke(
    request: Init<LeaseRevokeRequest>,
    options?: CallOptions,
  ): Promise<LeaseRevokeResponse>;
  /** One keep-alive: resolves with the lease's new TTL, which is 0 when the lease is gone. */
  leaseKeepAlive(
    request: Init<LeaseKeepAliveRequest>,
    options?: CallOptions,
  ): Promise<LeaseKeepAliveResponse>;
  leaseTimeToLive(
    request: Init<LeaseTimeToLiveRequest>,
    options?: CallOptions,
  ): Promise<LeaseTimeToLiveResponse>;
  leaseLeases(options?: CallOptions): Promise<LeaseLeasesResponse>;

  status(options?: CallOptions): Promise<StatusResponse>;

  /** Users, roles and permissions, and whether the store asks for them. */
  readonly auth: EtcdAuth;
  /**
   * A client over the same connections that acts for a user: it signs in by itself, and again when
   * its token is no longer good. Its `close` leaves the connections to this one.
   */
  as(user: EtcdUser): EtcdClient;

  /**
   * How another thread or process reaches the same store as the same user; undefined if the store
   * is embedded and listens nowhere without TLS.
   */
  readonly connection: ConnectOptions | undefined;

  /** Ends every stream and call of this client, and frees its connections. */
  close(): Promise<void>;
}

export interface WatchOptions {
  /** Ends the stream, as `close()` does. */
  signal?: AbortSignal;
  /**
   * Ask the server to end the stream when its member loses the leader (metadata `hasleader`).
   * Default true.
   */
  requireLeader?: boolean;
  /** The caller's token, for the whole stream. */
  token?: string | (() => Promise<string | undefined>) | undefined;
}

/**
 * One watch stream. Iterate it once: responses of all its watches in the order the server sent
 * them, `created` and `canceled` ones included. The iteration ends after `close()`, and throws
 * `EtcdError` when the stream breaks; it is not resumed: the caller knows which revision it saw
 * last. A reader that lags is held back by the server, bounded.
 */
export interface WatchStream extends AsyncIterable<WatchResponse> {
  /** Asks for a watch; the answer is a response with `created` and the watch's id. */
  create(request: Init<WatchCreateRequest>): void;
  /** Ends one watch; the answer is a response with `canceled`. */
  cancel(watchId: WatchResponse["watchId"]): void;
  /**
   * Asks for a progress notice, sent with watch id -1 once all watches of the stream have caught
   * up.
   */
  requestProgress(): void;
  close(): void;
}
