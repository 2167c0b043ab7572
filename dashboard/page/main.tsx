import { render } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { get } from "./api.ts";
import { Detail } from "./detail.tsx";
import { type Kind, SECTIONS, discover, keyOf } from "./kinds.ts";
import { LiveTable, type Row } from "./table.ts";
import { Problem, Status, age, useAsked } from "./widgets.tsx";

const ROW_PX = 36;
const SPARE_ROWS = 10;

const place = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
const go = (change: Record<string, string | undefined>) => {
  const all = Object.entries({ ...place(), ...change }).filter(([, value]) => value);
  location.hash = new URLSearchParams(all as [string, string][]).toString();
};

function App() {
  const [at, setAt] = useState(place);
  useEffect(() => void addEventListener("hashchange", () => setAt(place())), []);
  const [kinds, problem] = useAsked(discover, []);
  const [spaces] = useAsked(() =>
    get<{ items: { metadata: { name: string } }[] }>("/api/v1/namespaces?limit=1000"), []);
  const kind = kinds?.find((each) => keyOf(each) === (at["kind"] ?? "pods"));
  const named = SECTIONS.flatMap(([, keys]) => keys);
  const rest = (kinds ?? []).map(keyOf).filter((key) => !named.includes(key)).sort();
  return (
    <div class="frame">
      <header class="top"><b class="brand">raft2kube</b>
        <label>Namespace <select value={at["ns"] ?? ""}
          onChange={(event) => go({ ns: event.currentTarget.value, name: undefined })}>
          <option value="">all</option>
          {(spaces?.items ?? []).map(({ metadata: { name } }) => (
            <option value={name}>{name}</option>))}
        </select></label></header>
      <nav class="menu" aria-label="Kinds">
        {[...SECTIONS, ["More", rest] as const].map(([title, keys]) => (
          <details open={title !== "More" && innerWidth > 700}><summary>{title}</summary>
            {keys.map((key) => kinds?.find((each) => keyOf(each) === key)).map((each) => each && (
              <a href={`#kind=${keyOf(each)}&ns=${at["ns"] ?? ""}`}
                aria-current={each === kind ? "page" : undefined}>{each.kind}</a>))}
          </details>))}
      </nav>
      <main>
        <Problem text={problem} />
        {kinds && !kind && <Problem text={`this server has no ${at["kind"]}`} />}
        {kind && <List key={`${keyOf(kind)} ${at["ns"]}`} kind={kind} namespace={at["ns"] ?? ""} />}
        {kind && at["name"] && <Detail key={at["name"]} kind={kind} namespace={at["of"] ?? ""}
          name={at["name"]} close={() => go({ name: undefined, of: undefined })} />}
      </main>
    </div>
  );
}

/** A table of the server's columns; only the rows in sight are in the document. */
function List({ kind, namespace }: { kind: Kind; namespace: string }) {
  const [drawn, redraw] = useState(0);
  const [filter, setFilter] = useState("");
  const [selector, setSelector] = useState("");
  const [top, setTop] = useState(0);
  const [live, setLive] = useState<LiveTable>();
  useEffect(() => {
    let frame = 0;
    const table = new LiveTable(kind, namespace, selector, () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        redraw((count) => count + 1);
      });
    });
    setLive(table);
    return () => table.close();
  }, [selector]);
  const columns = (live?.columns ?? []).map((column, i) => ({ ...column, i }))
    .filter(({ priority }) => priority === 0);
  const rows = useMemo(() => [...(live?.rows.values() ?? [])]
    .filter(({ name }) => name.includes(filter))
    .sort((a, b) => a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name)),
  [live, drawn, filter]);
  const first = Math.max(0, Math.floor(top / ROW_PX) - SPARE_ROWS);
  const sight = rows.slice(first, first + Math.ceil(innerHeight / ROW_PX) + 2 * SPARE_ROWS);
  const below = Math.max(0, rows.length - first - sight.length);
  const showsSpace = kind.namespaced && !namespace;
  return (
    <>
      <div class="bar"><h1>{kind.kind}</h1><span class="count">{rows.length}</span>
        <input aria-label="Filter by name" placeholder="name"
          onInput={(event) => setFilter(event.currentTarget.value)} />
        <input aria-label="Label selector" placeholder="label=value"
          onChange={(event) => setSelector(event.currentTarget.value)} /></div>
      <Problem text={live?.problem?.message} />
      <div class="scroll" tabIndex={0} role="region" aria-label="Objects"
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <table aria-rowcount={rows.length + 1}><thead><tr>{showsSpace && <th>Namespace</th>}
          {columns.map(({ name }) => <th>{name}</th>)}</tr></thead>
          <tbody>
            <tr class="gap" aria-hidden="true"><td style={{ height: `${first * ROW_PX}px` }} /></tr>
            {sight.map((row) => <tr key={row.uid}>{showsSpace && <td>{row.namespace}</td>}
              {columns.map(({ name, i }) => (
                <td><Cell row={row} name={name} value={row.cells[i]} /></td>))}</tr>)}
            <tr class="gap" aria-hidden="true">
              <td style={{ height: `${below * ROW_PX}px` }} /></tr>
          </tbody></table>
        {live?.loaded && rows.length === 0 && <p class="empty">There are none here.</p>}
      </div>
    </>
  );
}

function Cell({ row, name, value }: { row: Row; name: string; value: unknown }) {
  const text = String(value ?? "");
  if (name === "Name") {
    const open = () => go({ name: row.name, of: row.namespace });
    return <button class="link" onClick={open}>{text}</button>;
  }
  return name === "Age" ? <>{age(row.created) || text}</> : <Status text={text} />;
}

render(<App />, document.getElementById("app")!);
