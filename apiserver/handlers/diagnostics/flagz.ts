import { READING_IN_FLIGHT_MAX, WRITING_IN_FLIGHT_MAX } from "../../limits.ts";
import type { ApiserverOptions } from "../../options.ts";
import { NODE_PORTS } from "../../registry/services/node-ports.ts";
import type { ZPage } from "./zpage.ts";

type Flags = Readonly<Record<string, string>>;

/** `/flagz`: upstream's flags with the values that this server runs with. */
export function flagz(options: ApiserverOptions): ZPage {
  const flags = Object.fromEntries(
    Object.entries(options.flags ?? flagsOf(options)).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  return {
    kind: "Flagz",
    word: "flagz",
    text: () =>
      Object.entries(flags)
        .map(([name, value]) => `${name}:${value}\n`)
        .join(""),
    fields: () => ({ flags }),
  };
}

/** The flags that a server started by another program would have been given. */
function flagsOf(options: ApiserverOptions): Flags {
  const { listen, serviceAccountKey, nodePortRange = NODE_PORTS, admission = {} } = options;
  const { issuer, audiences = [] } = serviceAccountKey;
  const inFlight = options.inFlightMax ?? {
    reading: READING_IN_FLIGHT_MAX,
    writing: WRITING_IN_FLIGHT_MAX,
  };
  const list = (texts: readonly string[] = []) => `[${texts.join(",")}]`;
  return {
    "advertise-address": options.advertiseAddress,
    "api-audiences": list(audiences),
    "authorization-mode": "[Node,RBAC]",
    "bind-address": list(listen.map(({ host }) => host)),
    "disable-admission-plugins": list(admission.disable),
    "enable-admission-plugins": list(admission.enable),
    "enable-bootstrap-token-auth": String(options.bootstrapTokens ?? false),
    "max-mutating-requests-inflight": String(inFlight.writing),
    "max-requests-inflight": String(inFlight.reading),
    "secure-port": String(options.advertisePort ?? listen[0]?.port),
    "service-account-issuer": list([issuer]),
    "service-cluster-ip-range": options.serviceCidr,
    "service-node-port-range": `${nodePortRange.from}-${nodePortRange.to}`,
  };
}
