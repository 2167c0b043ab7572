import type { Core } from "../core.ts";
import { badRequest, methodNotSupported } from "../errors/catalog.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import type { Resource } from "../registry/resource.ts";
import { forward } from "./forward.ts";
import { kubeletAgent, placeOf } from "./kubelet.ts";

/** Parameters of PodLogOptions that a kubelet understands under the same name. */
const PASSED = [
  "follow",
  "previous",
  "sinceSeconds",
  "sinceTime",
  "timestamps",
  "tailLines",
  "limitBytes",
  "insecureSkipTLSVerifyBackend",
  "stream",
] as const;

/** GET pods/NAME/log: the container's log as its kubelet streams it. */
export async function serveLog(
  core: Core,
  resource: Resource,
  context: RequestContext,
): Promise<Answer> {
  const { info, query } = context;
  if (info.verb !== "get") throw methodNotSupported(resource.subject, info.verb);
  const place = await placeOf(core, info.namespace, info.name, query.get("container") ?? "");
  const passed = new URLSearchParams();
  for (const name of PASSED) {
    const value = query.get(name);
    if (value === null || name === "insecureSkipTLSVerifyBackend") continue;
    checkNumber(name, value);
    passed.set(name, value);
  }
  const { kubelet, container } = place;
  const path = ["containerLogs", info.namespace, info.name, container].map(encodeURIComponent);
  await forward(core, context, {
    ...kubelet,
    path: `/${path.join("/")}?${passed}`,
    agent: kubeletAgent(core),
    method: "GET",
    contentType: "text/plain",
  });
  return { type: "taken" };
}

function checkNumber(name: string, value: string): void {
  if (!["sinceSeconds", "tailLines", "limitBytes"].includes(name)) return;
  if (/^\d+$/.test(value)) return;
  throw badRequest(
    `PodLogOptions: ${name}: Invalid value: ${JSON.stringify(value)}: must be a whole number`,
  );
}
