import { useState } from "preact/hooks";
import { type AnyObject, containersOf, forwards } from "./api.ts";
import { Form, Input, useWork } from "./fields.tsx";
import { Lines, Problem, useAsked } from "./widgets.tsx";

/** A pod's ports, each at a port of this machine's loopback address when it is asked for. */
export function Forwards({ pod }: { pod: AnyObject }) {
  const { namespace = "", name } = pod.metadata;
  const [round, setRound] = useState(0);
  const [open = [], unread] = useAsked(() => forwards("GET"), [round]);
  const { run, problem } = useWork();
  const ports = containersOf(pod).flatMap((each) => each.ports ?? []);
  const first = ports.find(({ protocol = "TCP" }) => protocol === "TCP")?.containerPort;
  const change = async (method: "POST" | "DELETE", path: string) => {
    await forwards(method, path);
    setRound(round + 1);
  };
  const lines = open
    .filter((each) => each.pod === name && each.namespace === namespace)
    .map(({ port, host, local }) => [
      `${port} is at `,
      <a href={`http://${host}:${local}/`} target="_blank" rel="noopener noreferrer">
        {host}:{local}
      </a>,
      <button onClick={() => run(() => change("DELETE", `/${local}`))}>End</button>,
    ]);
  return (
    <>
      <h3>Forward a port</h3>
      <Problem text={unread ?? problem} />
      <Form act="Forward" run={({ port = "" }) => change("POST", `/${namespace}/${name}/${port}`)}>
        <Input label="Port" name="port" pattern="\d+" defaultValue={first} required />
      </Form>
      <Lines of={lines} />
    </>
  );
}
