"""Japanese for the vocabulary of FailureSensorIQ's visible assets, as a maintenance man would say it: its own spelling, slips
included, to the Japanese name. Translates names only; holds no row, and says nothing of which sensor responds to what.
"""

_ASSETS = {
    "aero gas turbine": "航空転用ガスタービン", "electric generator": "発電機", "fan": "ファン", "industrial gas turbine": "産業用ガスタービン",
    "pump": "ポンプ", "reciprocating internal combustion engine": "レシプロエンジン", "steam turbine": "蒸気タービン",
}
_SENSORS = {
    "air flow": "空気流量", "air leakage": "空気漏れ", "axial flux": "軸方向磁束", "coast down": "惰走", "coast down time": "惰走時間",
    "compresor pressure/ pressure ratio": "圧縮機圧力/圧力比", "compressor efficiency": "圧縮機効率", "compressor pressure": "圧縮機圧力",
    "compressor temperature": "圧縮機温度", "cooling fluid leak": "冷却液漏れ", "cooling gas": "冷却ガス", "current": "電流",
    "cylinder pressure": "筒内圧", "engine temperature": "エンジン温度", "exhaust pressure": "排気圧", "exhaust temperature": "排気温度",
    "fluid leakage": "液漏れ", "fuel flow": "燃料流量", "fuel pressure": "燃料圧", "fuel pressure/ fuel flow": "燃料圧/燃料流量",
    "gas generator temperature": "ガス発生機温度", "length measurement": "長さ測定", "oil consumption": "油消費量", "oil debris": "油中異物",
    "oil debris/ contamination": "油中異物/汚れ", "oil leakage": "油漏れ", "oil leakage/ consumption": "油漏れ/消費量",
    "output power": "出力", "partial discharge": "部分放電", "power": "動力", "power turbine temperature": "パワータービン温度",
    "pressure or vacuum": "圧力または真空度", "pressure/ pressure ratio": "圧力/圧力比", "radio frequency emissions": "高周波放射",
    "resistance": "抵抗", "speed": "回転数", "steam leakage": "蒸気漏れ", "temparature": "温度", "temperature": "温度", "torque": "トルク",
    "turbine efficiency": "タービン効率", "vibration": "振動", "voltage": "電圧",
}
_MODES = {
    "air inlet blockage": "吸気口詰まり", "bearing damage": "軸受損傷", "bearing wear": "軸受摩耗", "bearing wear/ damage": "軸受摩耗/損傷",
    "brush(es) fault": "ブラシ不良", "burner blocked": "バーナ詰まり", "combustion chamber holed": "燃焼器穴あき",
    "compressor damaged": "圧縮機損傷", "compressor fouled": "圧縮機汚れ", "compressor stall": "圧縮機失速",
    "cooling system fault": "冷却系異常", "damaged bellows": "ベローズ損傷", "damaged impeller": "羽根車損傷",
    "damaged labyrinth": "ラビリンス損傷", "damaged oil seals": "油シール損傷", "damaged rotor blade": "動翼損傷",
    "damaged seals": "シール損傷", "eccentric impeller": "羽根車偏心", "eccentric rotor": "ロータ偏心", "flywheel damage": "フライホイール損傷",
    "fuel filter blockage": "燃料フィルタ詰まり", "fuel injector fault": "燃料噴射弁不良", "gear defects": "歯車不良",
    "hogging or sagging rotor": "ロータのたわみ", "ignition fault": "点火不良", "insulation deterioration": "絶縁劣化",
    "loss of output power phase": "出力欠相", "misalignment": "芯ずれ", "mounting fault": "据付不良", "piston ring fault": "ピストンリング不良",
    "power turbine damage": "パワータービン損傷", "power turbine damaged": "パワータービン損傷", "power turbine dirty": "パワータービン汚れ",
    "rotor fouled": "ロータ汚れ", "rotor windings fault": "回転子巻線不良", "seal leakage": "シール漏れ",
    "secondary balance gear fault": "二次バランサ歯車不良", "stator windings fault": "固定子巻線不良", "unbalance": "アンバランス",
    "unequal expansion": "熱膨張不均一",
}

JA = {**_ASSETS, **_SENSORS, **_MODES}
