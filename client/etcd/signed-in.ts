import type { EtcdAuth, EtcdUser } from "./auth.ts";
import type { CallOptions, EtcdClient, WatchStream } from "./client.ts";
import { EtcdError, isEtcdError } from "./errors.ts";

type Call<Q, R> = (request: Q, options?: CallOptions) => Promise<R>;

/** The token in use, and how another is had. */
class Session {
  readonly #client: EtcdClient;
  readonly #user: EtcdUser;
  #token: Promise<string | undefined> | undefined;

  constructor(client: EtcdClient, user: EtcdUser) {
    this.#client = client;
    this.#user = user;
  }

  /** Undefined while auth is disabled on the store. */
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
  wrap<Q, R>(call: Call<Q, R>): Call<Q, R> {
    return async (request, options) => {
      const first = this.token();
      try {
        return await call(request, withToken(options, await first));
      } catch (thrown) {
        if (!isTokenOld(thrown)) throw thrown;
        this.forget(first);
        return call(request, withToken(options, await this.token()));
      }
    };
  }
}

function withToken(options: CallOptions | undefined, token: string | undefined): CallOptions {
  return token === undefined ? { ...options } : { ...options, token };
}

/** Refused for the token alone: nothing was done, so it may be asked again. */
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
  const wrap = session.wrap.bind(session);
  const auth = Object.fromEntries(
    Object.entries(client.auth).map(([name, call]) => [name, wrap(call as Call<never, unknown>)]),
  ) as unknown as EtcdAuth;
  const plain = (call: (options?: CallOptions) => Promise<unknown>) => {
    const wrapped = wrap((_: undefined, options) => call(options));
    return (options?: CallOptions) => wrapped(undefined, options);
  };
  return {
    range: wrap(client.range),
    put: wrap(client.put),
    deleteRange: wrap(client.deleteRange),
    txn: wrap(client.txn),
    compact: wrap(client.compact),
    watch(options = {}) {
      const token = options.token ?? (() => session.token());
      const stream = client.watch({ ...options, token });
      streams.add(stream);
      return stream;
    },
    leaseGrant: wrap(client.leaseGrant),
    leaseRevoke: wrap(client.leaseRevoke),
    leaseKeepAlive: wrap(client.leaseKeepAlive),
    leaseTimeToLive: wrap(client.leaseTimeToLive),
    leaseLeases: plain(client.leaseLeases) as EtcdClient["leaseLeases"],
    status: plain(client.status) as EtcdClient["status"],
    auth: { ...auth, authenticate: client.auth.authenticate },
    as: (other) => client.as(other),
    close() {
      for (const stream of streams) stream.close();
      return Promise.resolve();
    },
  };
}
