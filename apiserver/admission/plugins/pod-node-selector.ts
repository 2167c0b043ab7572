import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Pod } from "../../object/pod.ts";
import type { AdmissionContext } from "../context.ts";
import { namespaceLookup } from "../matching/namespace.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

const ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector";
/** The entry of the configuration for namespaces without the annotation. */
const DEFAULT = "clusterDefaultNodeSelector";

type Labels = Readonly<Record<string, string>>;

/** `a=b,c=d` as labels. Throws 500 for any other text, as upstream. */
function labelsIn(text: string): Labels {
  const parts = text
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  return Object.fromEntries(
    parts.map((part) => {
      const [name = "", value, ...more] = part.split("=").map((each) => each.trim());
      if (name === "" || value === undefined || more.length > 0) {
        throw internal(`invalid selector: ${JSON.stringify(text)}`);
      }
      return [name, value];
    }),
  );
}

/** Gives pods the node selector of their namespace, and refuses those that contradict it. */
export function podNodeSelector(context: AdmissionContext): AdmissionPlugin {
  const { podNodeSelectors: selectors } = context.configuration;
  const find = namespaceLookup(context);
  const isAbout = (request: AdmissionRequest) =>
    request.operation === "CREATE" && concerns(request, "", "pods");
  const selectorOf = async (namespace: string): Promise<Labels> => {
    const annotations = (await find(namespace))?.metadata.annotations ?? {};
    return labelsIn(annotations[ANNOTATION] ?? selectors[DEFAULT] ?? "");
  };
  const check = (request: AdmissionRequest, required: Labels) => {
    const { nodeSelector = {} } = (request.object as Pod).spec;
    const contradicts = Object.entries(required).some(
      ([name, value]) => nodeSelector[name] !== undefined && nodeSelector[name] !== value,
    );
    if (contradicts) {
      const why = "pod node label selector conflicts with its namespace node label selector";
      throw refusal(request, why);
    }
    const allowed = labelsIn(selectors[request.namespace] ?? "");
    const isAllowed =
      Object.keys(allowed).length === 0 ||
      Object.entries(nodeSelector).every(([name, value]) => allowed[name] === value);
    if (isAllowed) return;
    throw refusal(request, "pod node label selector labels conflict with its namespace whitelist");
  };
  return {
    name: "PodNodeSelector",
    async admit(request) {
      if (!isAbout(request)) return;
      const required = await selectorOf(request.namespace);
      const { spec } = request.object as Pod;
      const merged = { ...required, ...spec.nodeSelector };
      if (Object.keys(merged).length > 0) spec.nodeSelector = merged;
      check(request, required);
    },
    async validate(request) {
      if (isAbout(request)) check(request, await selectorOf(request.namespace));
    },
  };
}
