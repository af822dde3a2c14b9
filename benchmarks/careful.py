"""The careful script: the quickstart's cells as a careful person writes them in plain NumPy. Frozen: a peer is not tuned later.

Per seed one singular value decomposition of the transfer rows; all ridges and times are filters on it, and all teachers and
label rules go through it. Teachers, strong baselines and ceilings get one decomposition each too.
"""

import numpy as np

TRIED = 10.0 ** (np.arange(-20, 5) / 2.0)


class Probe:
    def __init__(self, X):
        self.U, self.sigma, self.Vt = np.linalg.svd(X, full_matrices=False)
        self.s, self.n, self.power = self.sigma**2 / len(X), len(X), (X**2).sum() / len(X)
        self.kept = self.sigma > max(X.shape) * np.finfo(float).eps * self.sigma[0]

    def response(self, filters):
        """(L, r): what a filter makes of each direction; a ridge of zero is the minimum norm."""
        with np.errstate(divide="ignore"):
            rows = [1 / (self.s + v) if kind == "ridge" else -np.expm1(-v * self.s) / self.s for kind, v in filters]
        zero = np.array([kind == "ridge" and v == 0 for kind, v in filters])[:, None]
        return np.where(self.kept, rows, 0 * self.s) if zero.any() else np.array(rows)

    def basis(self, X):
        return X @ self.Vt.T

    def predict(self, Y, filters, basis):
        """(L, m, k) outputs on other rows in their basis, for every filter."""
        c = (self.sigma / self.n)[:, None] * (self.U.T @ Y)
        return basis @ (self.response(filters)[:, :, None] * c)

    def tuned(self, Y, basis, T):
        """The ridge that is best on held-out rows, by 0-1 error and then by squared error, the greatest of equals."""
        out = self.predict(Y, [("ridge", v) for v in TRIED * self.power], basis)
        wrong, squared = (out.argmax(2) != T.argmax(1)).mean(1), ((out - T) ** 2).sum((1, 2))
        best = wrong == wrong.min()
        return TRIED[np.flatnonzero(best & (squared <= squared[best].min() * (1 + 1e-9)))[-1]] * self.power


def errors(out, T):
    return ((out - T) ** 2).sum(2).mean(1), (out.argmax(2) != T.argmax(1)).mean(1)


def seed_cells(strong, weak, Y, rows, teachers, rules, filters):
    """All cells of one seed: {(teacher, rule): columns, arrays (filters,)}.

    strong (N, d) and weak {name: (N, d_w)} are features of all rows, Y (N, k) one-hot; rows are the row numbers by part;
    teachers are (weak name, n_labeled, ridge or "tuned").
    """
    transfer, val, test = rows["transfer"], rows["validation"], rows["test"]
    student, anchors, probes, cells = Probe(strong[transfer]), {}, {}, {}
    tested, held_out = student.basis(strong[test]), student.basis(strong[val])
    ridge = student.tuned(Y[transfer], held_out, Y[val])
    ceiling = errors(student.predict(Y[transfer], [("ridge", ridge)], tested), Y[test])
    for name, n, ridge in teachers:
        few = rows["labeled"][:n]
        if n not in anchors:
            base = Probe(strong[few])
            best = base.tuned(Y[few], base.basis(strong[val]), Y[val])
            anchors[n] = errors(base.predict(Y[few], [("ridge", best)], base.basis(strong[test])), Y[test])
        if (name, n) not in probes:
            probe = Probe(weak[name][few])
            probes[name, n] = probe, probe.basis(weak[name])
        probe, basis = probes[name, n]
        chosen = probe.tuned(Y[few], basis[val], Y[val]) if ridge == "tuned" else ridge
        out = probe.predict(Y[few], [("ridge", chosen)], basis)[0]
        w = out[test]
        for rule in rules:
            labels = out if rule == "soft" else np.eye(Y.shape[1])[out.argmax(1)]
            s = student.predict(labels[transfer], filters, tested)
            v = student.predict(labels[transfer], filters, held_out)
            cells[name, n, ridge, rule] = {
                "weak": errors(w[None], Y[test]), "student": errors(s, Y[test]), "strong": anchors[n], "ceiling": ceiling,
                "misfit": errors(s, labels[test])[0], "weak_distance": errors(s, w)[0], "disagreement": errors(s, w)[1],
                "gain": ((w - s) * (w + s - 2 * Y[test])).sum(2).mean(1), "weak_power": (w**2).sum(1).mean(),
                "validation_misfit": errors(v, labels[val])[0], "validation_distance": errors(v, out[val])[0],
                "weak_validation": errors(out[None][:, val], Y[val])[0],
            }  # fmt: skip
    return cells


if __name__ == "__main__":
    print(__doc__)  # a peer of real_features, which measures it
