import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { accessOf } from "@raft2kube/kubelet/server/authorization.ts";
import { parseTarget } from "@raft2kube/kubelet/server/request-target.ts";
import type { Target } from "../target.ts";

const PATHS = [
  "/exec/default/web/main?command=sh&command=-c&input=1",
  "/portForward/default/web?port=80,81",
  "/containerLogs/default/web/main?tailLines=10&follow=true",
  "https://node:10250/stats/summary",
  "/metrics/resource",
  "//pods/",
  "/attach/default/p%C3%A4/a%20b?stdout=1",
];
/** Paths that run a command in a pod, or attach to a running one. */
const RUNNING = ["exec", "attach", "portForward", "run"];

/** A request's target, and the right that it needs. */
export const kubeletPath: Target = {
  name: "kubelet-path",
  corpus: async () => PATHS.map((path) => Buffer.from(path)),
  async read(bytes) {
    // Node's parser hands on nothing but visible characters.
    const target = bytes.toString("latin1").replace(/[^\x21-\x7e]/g, "~");
    try {
      const { segments } = parseTarget(target);
      const read = byAnother(target);
      if (read.join("\n") !== segments.join("\n")) {
        throw new Error(`${target} is ${segments.join("|")}, and for others ${read.join("|")}`);
      }
      const { verb } = accessOf("GET", segments);
      if (RUNNING.includes(segments[0] ?? "") !== (verb === "create")) {
        throw new Error(`${target} needs the right to ${verb}`);
      }
      return "taken";
    } catch (thrown) {
      if (thrown instanceof HttpError) return "refused";
      throw thrown;
    }
  },
};

/** The segments as the URL standard reads them, dots resolved, every escape decoded at first. */
function byAnother(target: string): string[] {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/, "");
  const { pathname } = new URL(`https://kubelet${path}`);
  return decodeURIComponent(pathname).split("/").filter(Boolean);
}
