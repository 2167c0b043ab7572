import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { tokenAccess } from "@raft2kube/dashboard/server/token-access.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { DASHBOARD_DIR } from "../assets.ts";
import { commandWith, repeated } from "../flags.ts";
import { podConnection } from "./pod-connection.ts";
import { runPart } from "./run-part.ts";

/** Where port-forward leads, and an Ingress with a certificate. */
const LISTEN = { host: "0.0.0.0", port: 8_080 };

/** `dashboard`, in a pod: serves the page to people who sign in, with their token's rights. */
export const command = () =>
  commandWith(
    "dashboard",
    "Serve the dashboard from a pod.",
    { "--host <name>": repeated("a host name that leads here, as an Ingress's; once for each") },
    async (flags) => {
      const clock = systemClock();
      // Not the pod's token: the page has the rights of the people who sign in.
      const { server, ca } = await podConnection("r2k dashboard");
      const access = tokenAccess(upstreamTo({ server, ca }, clock), flags.host, clock);
      const assets = await pageAssets(DASHBOARD_DIR);
      await runPart("dashboard", () => serveDashboard(access, assets, LISTEN));
    },
  );
