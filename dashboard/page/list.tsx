import { compareTexts } from "@raft2kube/std/text.ts";
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { Input } from "./fields.tsx";
import type { Kind } from "./kinds.ts";
import { type Column, followTable, type Listed, type LiveTable, type Row } from "./live.ts";
import { go } from "./place.ts";
import { age, Cells, moveFocus, ObjectLink, Problem, Status, startOf } from "./widgets.tsx";

const ROW_PX = 36;
const SPARE_ROWS = 12;
/** The rows in the document change when so many were scrolled past. */
const SCROLLED_ROWS = 6;
const sorted = (rows: LiveTable["rows"], filter: string): Row[] =>
  [...rows.values()]
    .filter(({ name }) => name.includes(filter))
    .sort((a, b) => compareTexts(a.key, b.key));

export function List(of: Listed) {
  const { kind } = of;
  const [table, setTable] = useState<LiveTable>({ columns: [], rows: new Map(), loaded: false });
  // Before the first paint, so that the rows are on their way meanwhile.
  useLayoutEffect(() => followTable(of, setTable), []);
  const [filter, setFilter] = useState("");
  const [passed, setPassed] = useState(0);
  const { columns, loaded, problem } = table;
  const rows = useMemo(() => sorted(table.rows, filter), [table, filter]);
  const first = Math.max(0, Math.min(passed, rows.length) - SPARE_ROWS);
  const sight = rows.slice(first, first + Math.ceil(innerHeight / ROW_PX) + 2 * SPARE_ROWS);
  return (
    <>
      <div class="bar">
        <h1>{kind.kind}</h1>
        <span class="count">{rows.length}</span>
        <Input id="filter" label="Filter by name" placeholder="name" set={setFilter} />
        <Input label="Label selector" placeholder="label=value" value={of.selector} done={select} />
      </div>
      <Problem text={problem} />
      <div
        class="scroll"
        tabIndex={0}
        role="region"
        aria-label="Objects"
        onScroll={(event) => setPassed(passedAt(event.currentTarget.scrollTop))}
        onKeyDown={moveFocus}
      >
        <table aria-rowcount={rows.length + 1}>
          <thead>
            <Cells of={columns.map(({ name }) => name)} as="th" />
          </thead>
          <tbody>
            <Gap rows={first} />
            {sight.map((row) => (
              <RowView key={row.uid} {...{ kind, row, columns }} aged={age(row.created)} />
            ))}
            <Gap rows={rows.length - first - sight.length} />
          </tbody>
        </table>
        {loaded && rows.length === 0 && <p class="empty">There are none here.</p>}
      </div>
    </>
  );
}

/** The place of rows that are not in the document. */
const Gap = ({ rows }: { rows: number }) => (
  <tr class="gap" aria-hidden="true">
    <td style={{ height: `${rows * ROW_PX}px` }} />
  </tr>
);

const select = (labels: string) => go({ labels });
const passedAt = (top_px: number) => Math.floor(top_px / ROW_PX / SCROLLED_ROWS) * SCROLLED_ROWS;

type RowProps = { kind: Kind; row: Row; columns: readonly Column[]; aged: string };

/** A row of the table, which is drawn again when it changes alone, not with each scroll. */
function RowView({ kind, row, columns, aged }: RowProps) {
  const cell = ({ name, i }: Column) => {
    const text = startOf(row.cells[i] ?? "");
    if (name === "Age") return aged || text;
    if (name !== "Name") return <Status text={text} />;
    return <ObjectLink kind={kind} namespace={row.namespace} name={row.name} />;
  };
  return useMemo(() => Cells({ of: columns.map(cell) }), [row, columns, aged]);
}
