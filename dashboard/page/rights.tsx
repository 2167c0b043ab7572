import { messageOf } from "@raft2kube/std/errors.ts";
import { useState } from "preact/hooks";
import { send } from "./api.ts";
import { Problem, useAsked, WholeTable } from "./widgets.tsx";

interface Rule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}
interface Rules {
  status: { resourceRules: Rule[] | null; nonResourceRules: Rule[] | null; incomplete: boolean };
}
const REVIEWS = "/apis/authorization.k8s.io/v1";
const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"];

/** The rights of the page's user in a namespace, and a question about one of them. */
export function Rights({ namespace }: { namespace: string }) {
  const within = namespace || "default";
  const [rules, problem] = useAsked(
    () =>
      send<Rules>("POST", `${REVIEWS}/selfsubjectrulesreviews`, {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectRulesReview",
        spec: { namespace: within },
      }),
    [within],
  );
  const all = [...(rules?.status.resourceRules ?? []), ...(rules?.status.nonResourceRules ?? [])];
  return (
    <>
      <div class="bar">
        <h1>What may I do in {within}?</h1>
      </div>
      <Question namespace={within} />
      <Problem text={problem} />
      {rules?.status.incomplete && <Problem text="the server does not list all rights" />}
      <WholeTable
        label="Rights"
        columns={["Resources", "Names", "Verbs"]}
        rows={all.map(({ resources, nonResourceURLs, apiGroups, resourceNames, verbs }) => [
          (resources ?? nonResourceURLs ?? []).join(", ") +
            (apiGroups?.some(Boolean) ? ` (${apiGroups.join(", ")})` : ""),
          (resourceNames ?? []).join(", "),
          verbs.join(", "),
        ])}
      />
    </>
  );
}

function Question({ namespace }: { namespace: string }) {
  const [verb, setVerb] = useState("get");
  const [what, setWhat] = useState("pods");
  const [answer, setAnswer] = useState("");
  const ask = async () => {
    const [path = "", name] = what.trim().split(" ");
    const [full = "", subresource] = path.split("/");
    const [resource, ...group] = full.split(".");
    try {
      const { status } = await send<{ status: { allowed: boolean; reason?: string } }>(
        "POST",
        `${REVIEWS}/selfsubjectaccessreviews`,
        {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectAccessReview",
          spec: {
            resourceAttributes: {
              namespace,
              verb,
              resource,
              group: group.join("."),
              subresource,
              name,
            },
          },
        },
      );
      setAnswer(`${status.allowed ? "yes" : "no"}${status.reason ? `: ${status.reason}` : ""}`);
    } catch (thrown) {
      setAnswer(messageOf(thrown));
    }
  };
  return (
    <form
      class="bar"
      onSubmit={(event) => {
        event.preventDefault();
        void ask();
      }}
    >
      <label>
        May I{" "}
        <select value={verb} onChange={(event) => setVerb(event.currentTarget.value)}>
          {VERBS.map((each) => (
            <option>{each}</option>
          ))}
        </select>
      </label>
      <input
        aria-label="Resource"
        value={what}
        placeholder="deployments.apps/scale NAME"
        onInput={(event) => setWhat(event.currentTarget.value)}
      />
      <button class="main">Ask</button>
      <output>{answer}</output>
    </form>
  );
}
