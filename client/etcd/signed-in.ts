import { type CallName, callByName, callsBy } from "./calls.ts";
import type { CallOptions, EtcdClient, EtcdUser, WatchStream } from "./client.ts";
import { EtcdError, isEtcdError } from "./errors.ts";

/** The token in use; signs in again for another. */
class Session {
  readonly #client: EtcdClient;
  readonly #user: EtcdUser;
  #token: Promise<string | undefined> | undefined;

  constructor(client: EtcdClient, user: EtcdUser) {
    this.#client = client;
    this.#user = user;
  }

  /** The token; undefined while auth is disabled on the store. */
  token(): Promise<string | undefined> {
    this.#token ??= this.#signIn();
    return this.#token;
  }

  /** The token was refused. Calls that were under way with it ask for another once. */
  forget(token: Promise<string | undefined>): void {
    if (this.#token === token) this.#token = undefined;
  }

  async #signIn(): Promise<string | undefined> {
    const { name, password } = this.#user;
    try {
      return (await this.#client.auth.authenticate({ name, password })).token;
    } catch (thrown) {
      this.#token = undefined;
      if (isEtcdError(thrown, "authNotEnabled")) return undefined;
      throw thrown;
    }
  }

  /** Makes a call with the token; once more with a new one when it is no longer good. */
  async call(name: CallName, request: object, options?: CallOptions): Promise<unknown> {
    const first = this.token();
    try {
      return await callByName(this.#client, name, request, withToken(options, await first));
    } catch (thrown) {
      if (!isTokenOld(thrown)) throw thrown;
      this.forget(first);
      const again = withToken(options, await this.token());
      return callByName(this.#client, name, request, again);
    }
  }
}

function withToken(options: CallOptions | undefined, token: string | undefined): CallOptions {
  return token === undefined ? { ...options } : { ...options, token };
}

/** Whether a call was refused for its token alone: it had no effect, so it may be repeated. */
function isTokenOld(thrown: unknown): boolean {
  if (!(thrown instanceof EtcdError)) return false;
  return thrown.is("invalidAuthToken") || thrown.is("authOldRevision") || thrown.is("userEmpty");
}

/**
 * A client that acts for a user: it signs in when it first needs to and again when its token is no
 * longer good. It shares the connections of `client`; closing it ends its own watches only.
 */
export function signedIn(client: EtcdClient, user: EtcdUser): EtcdClient {
  const session = new Session(client, user);
  const streams = new Set<WatchStream>();
  const calls = callsBy((...call) => session.call(...call));
  return {
    ...calls,
    watch(options = {}) {
      const token = options.token ?? (() => session.token());
      const stream = client.watch({ ...options, token });
      streams.add(stream);
      return stream;
    },
    auth: { ...calls.auth, authenticate: client.auth.authenticate },
    as: (other) => client.as(other),
    connection: client.connection && { ...client.connection, user },
    close() {
      for (const stream of streams) stream.close();
      return Promise.resolve();
    },
  };
}
