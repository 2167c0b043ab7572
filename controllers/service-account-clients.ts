import type { TokenRequest } from "@raft2kube/api/gen/authentication/v1.ts";
import { isAlreadyExists, isNotFound } from "@raft2kube/client-kube/errors.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { KubeClient, type RequestObserver } from "@raft2kube/client-kube/rest/client.ts";
import { SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import type { KubeConnection, TokenReader } from "@raft2kube/client-kube/transport/credentials.ts";
import { httpTransport } from "@raft2kube/client-kube/transport/http.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import type { RequestRate } from "./context.ts";
import { TOKEN_LIFETIME_S, TOKEN_RENEW_SHARE } from "./limits.ts";

const NAMESPACE = "kube-system";

/**
 * Clients under service accounts of kube-system, one per controller, so that each has only the
 * rights of its own role (upstream's --use-service-account-credentials). They share one pool of
 * connections: the identity is in each request's token.
 */
export class ServiceAccountClients {
  readonly #manager: KubeClient;
  readonly #connection: KubeConnection;
  readonly #clock: Clock;
  readonly #observer: RequestObserver;
  readonly #transport: Transport;
  readonly #clients = new Map<string, KubeClient>();

  constructor(
    manager: KubeClient,
    connection: KubeConnection,
    clock: Clock,
    observer: RequestObserver,
  ) {
    this.#observer = observer;
    this.#manager = manager;
    this.#connection = connection;
    this.#clock = clock;
    const { server, ca, tlsServerName } = connection;
    this.#transport = httpTransport({ server, ca, tlsServerName }, clock);
  }

  /**
   * The client of one account, which is made on its first request if it is not there. `rate` is for
   * the first that asks for it.
   */
  client(account: string, rate: Partial<RequestRate> = {}): KubeClient {
    let client = this.#clients.get(account);
    if (!client) {
      client = new KubeClient({
        server: this.#connection.server,
        clock: this.#clock,
        transport: this.#transport,
        observer: this.#observer,
        ...rate,
        token: accountToken(this.#manager, account, this.#clock),
        userAgent: `r2k-controllers/${account}`,
      });
      this.#clients.set(account, client);
    }
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#transport.close();
  }
}

/** Asks for a token of an account when the last one has used up four fifths of its life. */
export function accountToken(manager: KubeClient, account: string, clock: Clock): TokenReader {
  let current: { token: string; renew_ms: number } | undefined;
  let asking: Promise<string> | undefined;
  const ask = async () => {
    const begun_ms = clock.now();
    const { status } = await requestToken(manager, account);
    if (!status) throw new TypeError(`the token of ${account} came without a status`);
    const end_ms = timeOf(status.expirationTimestamp) ?? begun_ms;
    current = { token: status.token, renew_ms: begun_ms + (end_ms - begun_ms) * TOKEN_RENEW_SHARE };
    return status.token;
  };
  return {
    read() {
      if (current && clock.now() < current.renew_ms) return Promise.resolve(current.token);
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
    rejected() {
      current = undefined;
    },
  };
}

async function requestToken(manager: KubeClient, account: string): Promise<TokenRequest> {
  const accounts = manager.resource(SERVICE_ACCOUNTS);
  const name = { namespace: NAMESPACE, name: account };
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: TOKEN_LIFETIME_S },
  };
  try {
    return await accounts.createSubresource<TokenRequest>(name, "token", request);
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
  await tolerate(accounts.create({ metadata: name }), isAlreadyExists);
  return accounts.createSubresource<TokenRequest>(name, "token", request);
}
