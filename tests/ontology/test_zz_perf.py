import time
from datetime import datetime,UTC
from ontology.entities import *
from ontology.sql_entity_store import SqlEntityStore
from ontology.pattern_sql import *
from ontology.query import *
from ontology.entity_rows import Moment
from sqlalchemy import text
def test_x(postgres_engine):
    s=SqlEntityStore.open(postgres_engine,lambda:datetime.now(UTC))
    P=Provenance(source="s")
    def mk(n): return Entity(entity_id=derive_entity_id("o","P",{"n":n}),organisation="o",type="P",name=f"p{n}",properties={"version":("1",),"k":("a","b")})
    es=[mk(n) for n in range(2000)]
    st=[Statement(subject_id=e.entity_id,property="dep",object_id=es[i//2].entity_id) for i,e in enumerate(es)]
    t=time.time(); s.write(Batch(organisation="o",principal="a",provenance=P,entities=tuple(es),statements=tuple(st))); print("write 10k",time.time()-t)
    t=time.time(); s.entities("o"); print("read",time.time()-t)
    t=time.time(); s.entities_by_id("o",[e.entity_id for e in es]); print("by id",time.time()-t)
    for q in ("P ->dep P version=1","P ~p1999","P version=2","P <-dep P ->dep P", "P"):
        t=time.time(); a=ask(s,"o",parse_query(q)); print(q,len(a.answers),time.time()-t)
    with postgres_engine.connect() as c:
        q=entities_query("o",Pattern(),Moment(5,None)).compile(postgres_engine,compile_kwargs={"literal_binds":True})
        for r in c.execute(text("EXPLAIN ANALYZE "+str(q))): print(r[0])
