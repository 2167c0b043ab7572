import type { MessageType } from "./codec.ts";

/** One RPC of a service. `Q` and `R` are its request and response. */
export interface MethodTable<Q = unknown, R = unknown> {
  readonly name: string;
  readonly request: MessageType<Q>;
  readonly response: MessageType<R>;
  readonly clientStream: boolean;
  readonly serverStream: boolean;
}

/**
 * A gRPC service. `S` maps each method's lowerCamel name to its `{ request, response, kind }`;
 * clients and handlers take their types from it.
 */
export interface ServiceTable<S> {
  /** `package.Service`, as it stands in a request's path. */
  readonly fullName: string;
  readonly methods: { readonly [M in keyof S]: MethodTable };
}

/** The four shapes of an RPC. */
export type Unary<Q, R> = { kind: "unary"; request: Q; response: R };
export type ServerStream<Q, R> = { kind: "serverStream"; request: Q; response: R };
export type ClientStream<Q, R> = { kind: "clientStream"; request: Q; response: R };
export type Bidi<Q, R> = { kind: "bidi"; request: Q; response: R };
