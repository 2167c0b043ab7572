import { admissionRequest } from "../../admission/plugin.ts";
import { authorizeCreate } from "../../authz/authorize-write.ts";
import type { ApiServer } from "../server.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Answer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import type { Resource } from "../../resource/resource.ts";
import { kubeletAgent, placeOf } from "./kubelet.ts";
import { tunnel } from "./tunnel.ts";

/** The kubelet's word for each subresource. */
const KUBELET_PATHS: Readonly<Record<string, string>> = {
  exec: "exec",
  attach: "attach",
  portforward: "portForward",
};

/** Parameters of PodExecOptions and PodAttachOptions, and the kubelet's names for them. */
const STREAMS: Readonly<Record<string, string>> = {
  stdin: "input",
  stdout: "output",
  stderr: "error",
  tty: "tty",
};

/** exec, attach and portforward of a pod: the connection becomes a tunnel to its kubelet. */
export async function serveConnect(
  server: ApiServer,
  resource: Resource,
  context: RequestContext,
): Promise<Answer> {
  const { info, query, user } = context;
  // A connection can change the container, regardless of the method that opens it: the right to
  // read is not enough (upstream from 1.35).
  await authorizeCreate(server.authorizer, context);
  const forwarding = info.subresource === "portforward";
  // Ports belong to the pod, not to a container.
  const container = forwarding ? undefined : (query.get("container") ?? "");
  const place = await placeOf(server, info.namespace, info.name, container);
  if (context.upgrade === undefined) throw badRequest("Upgrade request required");
  const options = { user, dryRun: false, subresource: info.subresource, warnings: [] };
  await server.admission.validate(
    admissionRequest("CONNECT", resource, info, { object: place.pod }, options));
  const path = [KUBELET_PATHS[info.subresource]!, info.namespace, info.name];
  if (!forwarding) path.push(place.container);
  const passed = forwarding ? portsOf(query) : streamsOf(query);
  await tunnel(server, context, {
    ...place.kubelet,
    agent: kubeletAgent(server),
    path: `/${path.map(encodeURIComponent).join("/")}?${passed}`,
  });
  return { type: "taken" };
}

function streamsOf(query: URLSearchParams): URLSearchParams {
  const passed = new URLSearchParams();
  for (const [name, kubeletName] of Object.entries(STREAMS)) {
    if (query.get(name) === "true" || query.get(name) === "1") passed.set(kubeletName, "1");
  }
  for (const word of query.getAll("command")) passed.append("command", word);
  return passed;
}

function portsOf(query: URLSearchParams): URLSearchParams {
  const passed = new URLSearchParams();
  for (const port of query.getAll("ports")) passed.append("port", port);
  return passed;
}
