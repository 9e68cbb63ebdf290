"""Constants."""

import sys
from typing import Final

from asking import ask_mutated, ask_values

A: Final = 8
B: Final[int] = 4
c = 2
ask_values(A + B)  # -> 12
ask_values(A - B * c)  # -> 0
ask_values(A // B)  # -> 2
ask_values(A % 3)  # -> 2
ask_values(c**3)  # -> 8
ask_values(-A)  # -> -8
ask_values(not A)  # -> False
ask_values(A > B > c)  # -> True
ask_values(A > B < c)  # -> False
ask_values(A / B)  # -> 2.0
ask_values(1 << 3)  # -> 8
ask_values(A // 0)  # -> ?
ask_values(10**10**10)  # -> ?
ask_values("a" * 10**9)  # -> ?
ask_values("t" + "p")  # -> 'tp'
ask_values((A, "x", None, True))  # -> (8, 'x', None, True)
ask_values([A, B][::-1])  # -> ?
ask_values({"tp": A, **{"pp": B}})  # -> {'tp': 8, 'pp': 4}
ask_values({"tp": A, **{"tp": B}})  # -> {'tp': 4}
ask_values(8 if sys.argv else 4)  # -> 4 | 8
ask_values(int("8"))  # -> 8
ask_values(max(A, B))  # -> 8
ask_values(len((1, 2, 3)))  # -> 3
ask_values(dict(tp=A))  # -> {'tp': 8}
ask_values((1, *(2, 3)))  # -> ?
ask_values({1, 2})  # -> ?
ask_values(1.5)  # -> 1.5
ask_values(None)  # -> None
ask_values(A in (8, 16))  # -> True
ask_values(c is None)  # -> False
ask_values(b"x")  # -> ?
ask_values([x for x in (1, 2)])  # -> ?
D = {"tp": 8, "nested": {"pp": 2}, "list": [1]}
D2 = {"nested": {"pp": 2}}
ask_values(D["tp"])  # -> 8
ask_values(D2["nested"]["pp"])  # -> 2
taken = D["tp"]
ask_values(taken)  # -> 8
E = {"tp": 8}
E["tp"] = 2
ask_values(E)  # -> ?
ask_values(E["tp"])  # -> ?
F = {"tp": 8}
alias = F
alias["tp"] = 2
ask_values(F)  # -> ?
G = {"tp": 8}
G.update(tp=2)
ask_values(G)  # -> ?
H = {"tp": 8}
print(H, len(H), H.get("tp"), "tp" in H, H["tp"], f"{H}", [*H], H == {})
for _ in H.items():
    pass
ask_values(H)  # -> {'tp': 8}
I = {"tp": 8}
del I["tp"]
ask_values(I)  # -> ?
J = {"tp": 8}
J |= {"tp": 2}
ask_values(J)  # -> ?
K = {"in": {"tp": 8}}
K["in"]["tp"] = 2
ask_values(K)  # -> ?
ask_values(K["in"]["tp"])  # -> ?
L = {"in": {"tp": 8}}
inner = L["in"]
inner["tp"] = 2
ask_values(L["in"]["tp"])  # -> ?
M = {"tp": 8}


def takes(d: dict) -> None:
    d.clear()


takes(M)
ask_values(M)  # -> ?
N = {"tp": 8}
held = [N]
ask_values(N)  # -> ?
O = {"tp": 8}


def gives() -> dict:
    return O


gives()["tp"] = 2
ask_values(O)  # -> ?


def local() -> dict:
    mine = {"tp": 8}
    return mine


ask_values(local())  # -> {'tp': 8}
mutable = local()
mutable["tp"] = 2
ask_values(mutable)  # -> ?
ask_values(local())  # -> {'tp': 8}
many = 1 if sys.argv else 2
many2 = 3 if sys.argv else 4
ask_values(many + many2)  # -> 4 | 5 | 6
P = (1, 2) if sys.argv else (3, 4)
ask_values(P[0])  # -> 1 | 3
ask_values(P[5])  # -> ?
for q in range(100):
    ask_values(q)  # -> ?
for r in range(0, 8, 4):
    ask_values(r)  # -> 0 | 4
for s in reversed((1, 2)):
    ask_values(s)  # -> 1 | 2
for t, u in {"a": 1}.items():
    ask_values(u)  # -> 1
    ask_values(t)  # -> 'a'
for v in {"a": 1}:
    ask_values(v)  # -> 'a'
x = 1
y = x
x = y + 1
ask_values(y)  # -> ?
ask_mutated(E)  # -> True
ask_mutated(H)  # -> False
with open("f") as w:
    ask_mutated(w)  # -> True
Q = [1, 2]
Q += [3]
ask_values(Q)  # -> ?
R = S = {"tp": 8}
R["tp"] = 2
ask_values(S)  # -> ?
T = {"tp": 8}
if U := T:
    U["tp"] = 2
ask_values(T)  # -> ?
V = {"tp": 8}


def default(d: dict = V) -> None:
    d["tp"] = 2


ask_values(V)  # -> ?
W = {"tp": 8}
X = W if sys.argv else {}
X["tp"] = 2
ask_values(W)  # -> ?
