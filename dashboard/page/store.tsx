import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { kube } from "./api.ts";
import { Cells, Problem, useAsked } from "./widgets.tsx";

const EVERY_MS = 2_000;
const COLUMNS = "Member Role Term Vote Log Commit Applied Revision MiB At".split(" ");

/** A member as the API server shows it; one that does not answer has errors alone. */
type Member = { endpoint: string; errors: string[]; isLearner?: boolean } & Partial<
  Record<"member" | "leader" | "vote", string> &
    Record<"term" | "index" | "commit" | "applied" | "revision" | "bytes", number>
>;

const roleOf = ({ member, leader, isLearner }: Member): string => {
  if (member === undefined) return "does not answer";
  if (isLearner) return "learner";
  if (leader === "0") return "no leader";
  return member === leader ? "leader" : `follows ${leader}`;
};

async function membersNow(): Promise<readonly Member[]> {
  const asked = kube.request<{ members: Member[] }>({ method: "GET", path: "/debug/store" });
  const found = await undefinedIfNotFound(asked);
  if (found) return found.members;
  throw new CodedError("INPUT", "this API server does not show its store: it is another vendor's");
}

export default function Store() {
  const [members = [], problem] = useAsked(membersNow, [], EVERY_MS);
  const rows = members.map((each) => {
    const { member = "?", term, vote, index, commit, applied, revision, bytes, endpoint } = each;
    const progress = [index, commit, applied, revision, bytes && (bytes / 2 ** 20).toFixed(1)];
    // Member 0 is none: it has not voted in this term.
    return [member, roleOf(each), term, vote === "0" ? "none" : vote, ...progress, endpoint];
  });
  return (
    <>
      <Problem text={problem} />
      {rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Members">
          <table>
            <thead>
              <Cells of={COLUMNS} as="th" />
            </thead>
            <tbody>
              {rows.map((cells) => (
                <Cells of={cells} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {members.flatMap(({ endpoint, errors }) =>
        errors.map((error) => <Problem text={`${endpoint}: ${error}`} />),
      )}
    </>
  );
}
