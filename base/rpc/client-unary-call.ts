import { type CallOptions, type CallRoute, ClientCall, decodeResponse } from "./client-call.ts";
import { RpcError, Status } from "./error.ts";

/** A call with one answer. */
export class UnaryClientCall extends ClientCall {
  readonly #resolve: (response: unknown) => void;
  readonly #reject: (reason: RpcError) => void;
  #response: { readonly message: unknown } | undefined;

  constructor(
    route: CallRoute,
    input: unknown,
    options: CallOptions,
    resolve: (response: unknown) => void,
    reject: (reason: RpcError) => void,
  ) {
    super(route, input, options);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected override take(messages: readonly Buffer[], bytes: number): void {
    this.stream!.consumed(bytes);
    for (const message of messages) {
      if (this.#response) throw new RpcError(Status.INTERNAL, "Too many responses received");
      this.#response = { message: decodeResponse(this.route.method, message) };
    }
  }

  protected override ended(reason: RpcError | undefined): void {
    if (reason) this.#reject(reason);
    else if (this.#response) this.#resolve(this.#response.message);
    else this.#reject(new RpcError(Status.INTERNAL, "the server sent no answer"));
  }
}
