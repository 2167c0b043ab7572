import { readFile } from "node:fs/promises";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { tokenAccess } from "@raft2kube/dashboard/server/token-access.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { createCa, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { DASHBOARD_DIR } from "../assets.ts";
import { portNumber } from "../flag-numbers.ts";
import { commandWith, repeated } from "../flags.ts";
import { CommandError } from "../terminal.ts";
import { podConnection } from "./pod-connection.ts";
import { runPart } from "./run-part.ts";

const OWN_CERTIFICATE_DAYS = 3_650;
const ANY = "0.0.0.0";

/** `dashboard`, in a pod: serves the page to people who sign in, with their token's rights. */
export const command = () =>
  commandWith(
    "dashboard",
    "Serve the dashboard from a pod.",
    {
      "--host <name>": repeated("a host name that leads here, such as an Ingress's; once for each"),
      "--http-port <port>": ["for port-forward, and an Ingress that has the certificate", "8080"],
      "--https-port <port>": ["for browsers that reach the Service itself", "8443"],
      "--tls-cert-file <file>":
        "the certificate, PEM; without it one is made, which browsers question",
      "--tls-private-key-file <file>": "its key, PEM",
    },
    async (flags) => {
      const clock = systemClock();
      // Not the pod's token: the page has the rights of the people who sign in.
      const { server, ca } = await podConnection("r2k dashboard");
      const access = tokenAccess(upstreamTo({ server, ca }, clock), flags.host, clock);
      const tls = await certificateOf(flags.tlsCertFile, flags.tlsPrivateKeyFile, clock.now());
      const http = { host: ANY, port: portNumber("--http-port", flags.httpPort, 1) };
      const https = { host: ANY, port: portNumber("--https-port", flags.httpsPort, 1), tls };
      const assets = await pageAssets(DASHBOARD_DIR);
      await runPart("dashboard", async () => {
        const servers = [
          await serveDashboard(access, assets, http),
          await serveDashboard(access, assets, https),
        ];
        return { close: async () => void (await Promise.all(servers.map((each) => each.close()))) };
      });
    },
  );

async function certificateOf(
  cert: string | undefined,
  key: string | undefined,
  now_ms: number,
): Promise<KeyPair> {
  if (cert !== undefined && key !== undefined) {
    return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
  }
  if (cert === undefined && key === undefined) {
    const names = { commonName: "r2k-dashboard", dnsNames: ["localhost"] };
    return createCa({ ...names, usages: ["server"], days: OWN_CERTIFICATE_DAYS, now_ms });
  }
  throw new CommandError("FLAG", "--tls-cert-file and --tls-private-key-file are of use together", {
    remedy: "give both, or neither",
  });
}
