import { useEffect, useState } from "preact/hooks";
import { ApiError, get } from "./api.ts";
import { messageOf } from "./text.ts";
import { mebibytes } from "./usage.tsx";
import { Problem } from "./widgets.tsx";

const EVERY_MS = 2_000;
const COLUMNS = ["Member", "Role", "Term", "Log index", "Applied", "Revision", "Size", "At"];

interface Member {
  endpoint: string;
  member?: string;
  leader?: string;
  term?: number;
  index?: number;
  applied?: number;
  revision?: number;
  bytes?: number;
  isLearner?: boolean;
  errors: string[];
}

const roleOf = ({ member, leader, isLearner }: Member): string => {
  if (member === undefined) return "does not answer";
  if (isLearner) return "learner";
  if (leader === "0") return "no leader";
  return member === leader ? "leader" : `follows ${leader}`;
};

/** The store's members, live: which leads, in which term, and how far each log is applied. */
export default function Store() {
  const [members, setMembers] = useState<readonly Member[]>([]);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let [open, timer] = [true, 0];
    const next = async () => {
      try {
        const found = await get<{ members: Member[] }>("/debug/store");
        if (!open) return;
        setMembers(found.members);
        setProblem(undefined);
      } catch (thrown) {
        if (!open) return;
        if (thrown instanceof ApiError && thrown.status === 404) {
          setProblem("this API server does not show its store: it is another vendor's");
          return;
        }
        setProblem(messageOf(thrown));
      }
      if (open) timer = window.setTimeout(next, EVERY_MS);
    };
    void next();
    return () => {
      open = false;
      clearTimeout(timer);
    };
  }, []);
  return (
    <>
      <div class="bar">
        <h1>Store</h1>
      </div>
      <Problem text={problem} />
      {members.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Members">
          <table>
            <thead>
              <tr>
                {COLUMNS.map((each) => (
                  <th scope="col">{each}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {members.map((each) => (
                <tr>
                  <td>{each.member ?? "?"}</td>
                  <td>{roleOf(each)}</td>
                  <td>{each.term}</td>
                  <td>{each.index}</td>
                  <td>{each.applied}</td>
                  <td>{each.revision}</td>
                  <td>{each.bytes === undefined ? "" : mebibytes(each.bytes)}</td>
                  <td>{each.endpoint}</td>
                </tr>
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
