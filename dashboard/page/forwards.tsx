import { messageOf } from "@raft2kube/std/errors.ts";
import { useState } from "preact/hooks";
import { type AnyObject, byToken, forwards } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

type Port = { name?: string; containerPort: number; protocol?: string };

/** A pod's ports: by kubectl where the page's server is not on the browser's machine. */
export function Ports({ pod }: { pod: AnyObject }) {
  const { namespace = "", name } = pod.metadata;
  if (!byToken) return <Forwards pod={pod} />;
  return (
    <>
      <h3>Ports</h3>
      <code>
        kubectl port-forward -n {namespace} {name} PORT
      </code>
    </>
  );
}

/** A pod's ports, each at a port of this machine's loopback address when it is asked for. */
function Forwards({ pod }: { pod: AnyObject }) {
  const { namespace = "", name } = pod.metadata;
  const [round, setRound] = useState(0);
  const [open, unread] = useAsked(() => forwards("GET"), [round]);
  const [problem, setProblem] = useState<string>();
  const [typed, type] = useState("");
  const containers = (pod.spec?.["containers"] ?? []) as { ports?: Port[] }[];
  const ports = containers
    .flatMap(({ ports = [] }) => ports)
    .filter(({ protocol = "TCP" }) => protocol === "TCP")
    .map((each) => each.containerPort);
  const change = (method: "POST" | "DELETE", path: string) =>
    void forwards(method, path).then(
      () => setRound(round + 1),
      (thrown: unknown) => setProblem(messageOf(thrown)),
    );
  const add = (port: number | string) => change("POST", `/${namespace}/${name}/${port}`);
  return (
    <>
      <h3>Ports</h3>
      <Problem text={unread ?? problem} />
      <p class="bar">
        {ports.map((port) => (
          <button onClick={() => add(port)}>Forward {port}</button>
        ))}
        <input
          aria-label="Another port"
          placeholder="port"
          inputMode="numeric"
          value={typed}
          onInput={(event) => type(event.currentTarget.value)}
        />
        <button disabled={!/^\d+$/.test(typed)} onClick={() => add(typed)}>
          Forward
        </button>
      </p>
      <ul class="events">
        {open
          ?.filter((each) => each.pod === name && each.namespace === namespace)
          .map(({ port, host, local }) => (
            <li>
              {port} is at{" "}
              <a href={`http://${host}:${local}/`} target="_blank" rel="noopener noreferrer">
                {host}:{local}
              </a>{" "}
              <button onClick={() => change("DELETE", `/${local}`)}>End</button>
            </li>
          ))}
      </ul>
    </>
  );
}
