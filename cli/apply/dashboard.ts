import { DASHBOARD_ADDONS_DIR } from "../assets.ts";
import type { StepOf } from "../plan/step.ts";
import { type Context, untilAborted } from "./context.ts";
import { bringProgram, untilAvailable } from "./program-add-on.ts";
import { IMAGE_PROGRAMS } from "./program-image.ts";

const NAME = { namespace: "r2k-dashboard", name: "dashboard" };

/** Brings the dashboard as a Deployment with a Service. Resolves when it serves. */
export async function applyDashboard({ cluster }: StepOf<"dashboard">, context: Context) {
  const client = await context.client();
  const bring = () => bringProgram(client, cluster, IMAGE_PROGRAMS.dashboard, DASHBOARD_ADDONS_DIR);
  await context.step("dashboard", () => untilAborted(context.signal, bring));
  await context.step("dashboard is ready", () => untilAvailable(client, NAME, context));
  context.progress.note(
    `\nThe dashboard: kubectl -n ${NAME.namespace} port-forward service/dashboard 18380:80, then` +
      "\nhttp://localhost:18380/ with a token, such as of kubectl create token SERVICE-ACCOUNT",
  );
}
