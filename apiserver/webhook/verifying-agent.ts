import type { X509Certificate } from "node:crypto";
import { Agent, type AgentOptions } from "node:https";
import { checkServerIdentity, type TLSSocket } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { asError, CodedError } from "@raft2kube/std/errors.ts";

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
/** The identifier of the extension NameConstraints (RFC 5280, 4.2.1.10), as DER. */
const NAME_CONSTRAINTS = Buffer.from([0x06, 0x03, 0x55, 0x1d, 0x1e]);

/**
 * Verifies servers as OpenSSL does, and takes what Go takes beside: a certificate with the name of
 * the CA that issued it, as webhooks on knative.dev/pkg make. OpenSSL calls one self-signed that
 * has no identifier of its own key, and looks no further.
 */
export class VerifyingAgent extends Agent {
  readonly #roots: readonly X509Certificate[];

  constructor(roots: readonly X509Certificate[], options: AgentOptions) {
    super({ ...options, rejectUnauthorized: false });
    this.#roots = roots;
  }

  override createConnection(...args: Parameters<Agent["createConnection"]>) {
    const socket = super.createConnection(...args) as TLSSocket;
    const [{ servername, host }] = args as unknown as [{ servername?: string; host?: string }];
    // As early as Node would refuse: nothing was written yet.
    socket.once("secureConnect", () => {
      try {
        const problem = problemOf(socket, servername || host || "", this.#roots);
        if (problem !== undefined) socket.destroy(problem);
      } catch (thrown) {
        socket.destroy(asError(thrown)); // of a certificate that cannot be read
      }
    });
    return socket;
  }
}

/** Returns why the certificate of a server is refused, as Node says it. */
function problemOf(
  socket: TLSSocket,
  name: string,
  roots: readonly X509Certificate[],
): Error | undefined {
  if (socket.authorized) return undefined;
  const code = String(socket.authorizationError);
  const leaf = socket.getPeerX509Certificate();
  const isAlike = code === "DEPTH_ZERO_SELF_SIGNED_CERT" && leaf && isIssuedByOne(leaf, roots);
  if (leaf === undefined || !(isAlike || code === "ERR_TLS_CERT_ALTNAME_INVALID")) {
    return new CodedError(code, `tls: failed to verify certificate: ${code}`);
  }
  return checkServerIdentity(name, leaf.toLegacyObject());
}

function isIssuedByOne(leaf: X509Certificate, roots: readonly X509Certificate[]): boolean {
  const now_ms = systemClock().now();
  const isOfUse = ({ validFromDate, validToDate, keyUsage }: X509Certificate) => {
    const isForServers = keyUsage === undefined || keyUsage.includes(SERVER_AUTH);
    return +validFromDate <= now_ms && now_ms <= +validToDate && isForServers;
  };
  return (
    isOfUse(leaf) &&
    roots.some((root) => {
      const mayIssue = root.ca && isOfUse(root) && !root.raw.includes(NAME_CONSTRAINTS);
      return mayIssue && leaf.checkIssued(root) && leaf.verify(root.publicKey);
    })
  );
}
