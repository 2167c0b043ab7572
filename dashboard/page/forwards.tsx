import { useState } from "preact/hooks";
import { type AnyObject, byToken, forwards, podSpecOf } from "./api.ts";
import { Input, useWork } from "./fields.tsx";
import { Problem, useAsked } from "./widgets.tsx";

/** A pod's ports: by kubectl where the page's server is not on the browser's machine. */
export function Ports({ pod }: { pod: AnyObject }) {
  const { namespace = "", name } = pod.metadata;
  return (
    <>
      <h3>Ports</h3>
      {byToken ? (
        <code>
          kubectl port-forward -n {namespace} {name} PORT
        </code>
      ) : (
        <Forwards pod={pod} />
      )}
    </>
  );
}

/** A pod's ports, each at a port of this machine's loopback address when it is asked for. */
function Forwards({ pod }: { pod: AnyObject }) {
  const { namespace = "", name } = pod.metadata;
  const [round, setRound] = useState(0);
  const [open, unread] = useAsked(() => forwards("GET"), [round]);
  const { run, problem } = useWork();
  const [typed, type] = useState("");
  const ports = podSpecOf(pod)
    .containers.flatMap((each) => each.ports ?? [])
    .filter(({ protocol = "TCP" }) => protocol === "TCP");
  const change = (method: "POST" | "DELETE", path: string) =>
    run(() => forwards(method, path).then(() => setRound(round + 1)));
  const add = (port: number | string) => change("POST", `/${namespace}/${name}/${port}`);
  return (
    <>
      <Problem text={unread ?? problem} />
      <p class="bar">
        {ports.map(({ containerPort: port }) => (
          <button onClick={() => add(port)}>Forward {port}</button>
        ))}
        <Input
          aria-label="Another port"
          placeholder="port"
          inputMode="numeric"
          value={typed}
          set={type}
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
