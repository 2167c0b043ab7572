import { once } from "node:events";
import { pageAssets } from "@raft2kube/dashboard/build.ts";
import { linkAccess } from "@raft2kube/dashboard/server/link-access.ts";
import { serveDashboard } from "@raft2kube/dashboard/server/server.ts";
import { upstreamTo } from "@raft2kube/dashboard/server/upstream.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { DASHBOARD_DIR } from "../assets.ts";
import { portNumber } from "../flag-numbers.ts";
import { accessOf } from "./cluster-of.ts";

type Flags = { readonly name: string; readonly kubeconfig?: string; readonly port: string };

/** `r2k dashboard`: a page to operate and understand a cluster, with a kubeconfig's rights. */
export function command(): Command {
  return new Command("dashboard")
    .description("A page in the browser to operate and understand a cluster.")
    .option("--name <cluster>", "the cluster's name", "default")
    .option("--kubeconfig <file>", "another cluster's, or another user's, access")
    .option("--port <port>", "of 127.0.0.1, for this page alone; 0: a free one", "0")
    .action(dashboard);
}

async function dashboard(flags: Flags): Promise<void> {
  const upstream = upstreamTo(await accessOf(flags), systemClock());
  const port = portNumber("--port", flags.port);
  const assets = await pageAssets(DASHBOARD_DIR);
  const server = await serveDashboard(linkAccess(upstream), assets, { host: "127.0.0.1", port });
  process.stdout.write(`${server.link}\n`);
  process.stderr.write("  open this link once in a browser of this machine; Ctrl-C ends it\n");
  await Promise.race(["SIGINT", "SIGTERM"].map((signal) => once(process, signal)));
  await server.close();
}
