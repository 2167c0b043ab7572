import { forbidden, invalid as invalidField } from "@raft2kube/api/errors.ts";
import { badRequest, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { isWebSocket } from "../../authn/websocket-token.ts";
import { textAnswer } from "../../request/answer.ts";
import { isTrue, wholeNumber } from "../../request/request-info.ts";
import type { Serve } from "../server.ts";
import { bodyInTurns } from "./backend-turns.ts";
import { type Backend, forward, openBackend } from "./forward.ts";
import { kubeletAgent, placeIfAny } from "./kubelet.ts";
import { sendOverWebSocket } from "./websocket-log.ts";

/** Parameters of PodLogOptions that a kubelet understands under the same name. */
const PASSED = ["sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"];
const PASSED_FLAGS = ["follow", "previous", "timestamps"];

/** GET pods/NAME/log: the container's log as its kubelet streams it. */
export const serveLog: Serve = async (server, _resource, context) => {
  const { info, query } = context;
  checkOptions(info.name, query);
  const careless = isTrue(query.get("insecureSkipTLSVerifyBackend"));
  const place = await placeIfAny(server, info.namespace, info.name, query.get("container") ?? "");
  // Upstream knows nothing yet of a pod that has no node, and no error either.
  if (place === undefined) return { ...textAnswer(204, ""), contentType: undefined };
  const passed = new URLSearchParams();
  for (const name of PASSED) {
    const value = query.get(name);
    if (value !== null && !(name === "sinceTime" && isNone(value))) passed.set(name, value);
  }
  for (const name of PASSED_FLAGS) if (isTrue(query.get(name))) passed.set(name, "true");
  const { kubelet, container } = place;
  const path = ["containerLogs", info.namespace, info.name, container].map(encodeURIComponent);
  const backend: Backend = {
    ...kubelet,
    path: `/${path.join("/")}?${passed}`,
    agent: kubeletAgent(server, careless),
    method: "GET",
    contentType: "text/plain",
  };
  if (context.upgrade && isWebSocket(context.request)) {
    const answer = await openBackend(server, context, backend);
    await sendOverWebSocket(context, bodyInTurns(context, answer));
  } else await forward(server, context, backend);
  return { type: "taken" };
};

/** Whether a time is the zero one, as upstream reads it: `null` is from old clients. */
const isNone = (time: string): boolean => time === "" || time === "null";

/** The least that each number may be. */
const LEAST: Readonly<Record<string, number>> = { tailLines: 0, limitBytes: 1, sinceSeconds: 1 };

/** Throws 422 for options that contradict each other, and 400 for values that are no number. */
function checkOptions(pod: string, query: URLSearchParams): void {
  const findings = Object.entries(LEAST).flatMap(([name, least]) => {
    const text = query.get(name);
    if (text === null || wholeNumber(text) >= least) return [];
    const bound = least === 0 ? "greater than or equal to 0" : "greater than 0";
    return [invalidField(name, Number(text), `must be ${bound}`)];
  });
  const since = query.get("sinceTime");
  if (since !== null && !isNone(since) && Number.isNaN(Date.parse(since))) {
    throw badRequest(`parsing time ${JSON.stringify(since)}: it is not of RFC 3339`);
  }
  if (query.has("sinceSeconds") && query.has("sinceTime")) {
    const detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
    findings.push(forbidden("[]", detail));
  }
  if (findings.length > 0) throw invalid({ group: "", name: "PodLogOptions" }, pod, findings);
}
