import type * as auth from "@raft2kube/api/gen/authorization/v1.ts";
import { type AnyObject, resource } from "./api.ts";
import { Choice, Form, Input } from "./fields.tsx";
import { Problem, useAsked, WholeTable } from "./widgets.tsx";

const joined = (words: readonly string[] = []) => words.join(", ");
const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"];

/** Asks the API server about the rights of the page's user; resolves with the answer's status. */
async function review<Status>(kind: string, spec: AnyObject["spec"]): Promise<Status | undefined> {
  const plural = `${kind.toLowerCase()}s`;
  const type = { group: "authorization.k8s.io", version: "v1", plural, kind, namespaced: false };
  return (await resource(type).create({ metadata: {}, spec } as AnyObject)).status as Status;
}

export default function Rights({ namespace: chosen }: { namespace: string }) {
  const namespace = chosen || "default";
  const [rules, problem] = useAsked(
    () => review<auth.SubjectRulesReviewStatus>("SelfSubjectRulesReview", { namespace }),
    [namespace],
  );
  const ask = async ({ verb, what = "" }: Readonly<Record<string, string>>) => {
    const [path = "", name] = what.trim().split(" ");
    const [full = "", subresource] = path.split("/");
    const [plural, ...group] = full.split(".");
    const of = { resource: plural, group: group.join("."), subresource, name };
    const spec = { resourceAttributes: { namespace, verb, ...of } };
    const found = await review<auth.SubjectAccessReviewStatus>("SelfSubjectAccessReview", spec);
    return `${found?.allowed ? "yes" : "no"}${found?.reason ? `: ${found.reason}` : ""}`;
  };
  const { resourceRules = [], nonResourceRules = [], incomplete } = rules ?? {};
  return (
    <>
      <Form act="Ask" run={ask}>
        <label>
          May I <Choice of={VERBS} name="verb" />
        </label>
        <Input label="Resource" name="what" placeholder="jobs.batch/status X" defaultValue="pods" />
        in {namespace}
      </Form>
      <Problem text={problem} />
      {incomplete && <Problem text="the server does not list all rights" />}
      <WholeTable
        label={`Rights in ${namespace}`}
        columns={["Resources", "Names", "Verbs"]}
        rows={[
          ...resourceRules.map(({ resources = [], apiGroups = [], resourceNames, verbs }) => {
            const groups = apiGroups.some(Boolean) ? ` (${joined(apiGroups)})` : "";
            return [joined(resources) + groups, joined(resourceNames), joined(verbs)];
          }),
          ...nonResourceRules.map((rule) => [joined(rule.nonResourceURLs), "", joined(rule.verbs)]),
        ]}
      />
    </>
  );
}
