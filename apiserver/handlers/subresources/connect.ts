import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { authorizeCreate } from "../../authz/authorize-write.ts";
import { isTrue } from "../../request/request-info.ts";
import type { Serve } from "../server.ts";
import { admitConnection } from "./admit-connection.ts";
import { kubeletAgent, placeOf } from "./kubelet.ts";
import { tunnel } from "./tunnel.ts";

/** The kubelet's word for each subresource. */
const KUBELET_PATHS: Readonly<Record<string, string>> = {
  exec: "exec",
  attach: "attach",
  portforward: "portForward",
};

/** Members of PodExecOptions and PodAttachOptions, and the kubelet's names for them. */
const STREAMS = { stdin: "input", stdout: "output", stderr: "error", tty: "tty" } as const;

type Streams = Partial<Record<keyof typeof STREAMS, boolean>>;

/** PodExecOptions, PodAttachOptions or PodPortForwardOptions. */
interface Options extends Streams {
  container?: string;
  command?: string[];
  ports?: number[];
}

const OPTION_KINDS = {
  exec: "PodExecOptions",
  attach: "PodAttachOptions",
  portforward: "PodPortForwardOptions",
} as const;

/** exec, attach and portforward of a pod: the connection becomes a tunnel to its kubelet. */
export const serveConnect: Serve = async (server, resource, context) => {
  const { info, query } = context;
  // A connection can change the container, regardless of the method that opens it: the right to
  // read is not enough (upstream from 1.35).
  await authorizeCreate(server.authorizer, context);
  const part = info.subresource as keyof typeof OPTION_KINDS;
  const forwarding = part === "portforward";
  const given = forwarding ? forwardOptions(query) : streamOptions(part, query);
  const options = await admitConnection(server, resource, context, OPTION_KINDS[part], given);
  // Ports belong to the pod, not to a container.
  const container = forwarding ? undefined : (options.container ?? "");
  const place = await placeOf(server, info.namespace, info.name, container);
  if (context.upgrade === undefined) throw badRequest("Upgrade request required");
  const path = [KUBELET_PATHS[part]!, info.namespace, info.name];
  if (!forwarding) path.push(place.container);
  const passed = forwarding ? portsOf(query) : streamsOf(options);
  await tunnel(server, context, {
    ...place.kubelet,
    agent: kubeletAgent(server),
    path: `/${path.map(encodeURIComponent).join("/")}?${passed}`,
  });
  return { type: "taken" };
};

function streamOptions(part: "exec" | "attach", query: URLSearchParams): Options {
  const streams: Streams = {};
  for (const name of Object.keys(STREAMS) as (keyof typeof STREAMS)[]) {
    if (isTrue(query.get(name))) streams[name] = true;
  }
  const container = query.get("container") ?? "";
  return {
    ...streams,
    ...(container !== "" && { container }),
    ...(part === "exec" && { command: query.getAll("command") }),
  };
}

function forwardOptions(query: URLSearchParams): Options {
  const ports = query
    .getAll("ports")
    .flatMap((each) => each.split(","))
    .filter(Boolean);
  return ports.length === 0 ? {} : { ports: ports.map(Number) };
}

function streamsOf(options: Options): URLSearchParams {
  const passed = new URLSearchParams();
  for (const [name, kubeletName] of Object.entries(STREAMS)) {
    if (options[name as keyof typeof STREAMS]) passed.set(kubeletName, "1");
  }
  for (const word of options.command ?? []) passed.append("command", word);
  return passed;
}

function portsOf(query: URLSearchParams): URLSearchParams {
  const passed = new URLSearchParams();
  for (const port of query.getAll("ports")) passed.append("port", port);
  return passed;
}
