import { useState } from "preact/hooks";
import { type AnyObject, resource } from "./api.ts";
import { Choice, Input, useWork } from "./fields.tsx";
import { Problem, useAsked, WholeTable } from "./widgets.tsx";

interface Rule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}
type Rules = { resourceRules?: Rule[]; nonResourceRules?: Rule[]; incomplete: boolean };
const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"];

/** Asks the API server about the rights of the page's user; resolves with the answer's status. */
async function review<Status>(kind: string, spec: object): Promise<Status> {
  const plural = `${kind.toLowerCase()}s`;
  const type = { group: "authorization.k8s.io", version: "v1", plural, kind, namespaced: false };
  const asked = { metadata: {}, spec } as AnyObject;
  return (await resource(type).create(asked)).status as Status;
}

/** The rights of the page's user in a namespace, and a question about one of them. */
export default function Rights({ namespace = "default" }: { namespace?: string }) {
  const [rules, problem] = useAsked(
    () => review<Rules>("SelfSubjectRulesReview", { namespace }),
    [namespace],
  );
  const all = [...(rules?.resourceRules ?? []), ...(rules?.nonResourceRules ?? [])];
  return (
    <>
      <Question namespace={namespace} />
      <Problem text={problem} />
      {rules?.incomplete && <Problem text="the server does not list all rights" />}
      <WholeTable
        label={`Rights in ${namespace}`}
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
  const { run, problem } = useWork();
  const ask = async () => {
    setAnswer("");
    const [path = "", name] = what.trim().split(" ");
    const [full = "", subresource] = path.split("/");
    const [resource, ...more] = full.split(".");
    const group = more.join(".");
    const { allowed, reason } = await review<{ allowed: boolean; reason?: string }>(
      "SelfSubjectAccessReview",
      { resourceAttributes: { namespace, verb, resource, group, subresource, name } },
    );
    setAnswer(`${allowed ? "yes" : "no"}${reason ? `: ${reason}` : ""}`);
  };
  return (
    <form
      class="bar"
      onSubmit={(event) => {
        event.preventDefault();
        run(ask);
      }}
    >
      <label>
        May I <Choice of={VERBS} value={verb} set={setVerb} />
      </label>
      <Input
        aria-label="Resource"
        placeholder="deployments.apps/scale NAME"
        value={what}
        set={setWhat}
      />
      in {namespace}
      <button class="main">Ask</button>
      <output>{problem ?? answer}</output>
    </form>
  );
}
